"""Scenes at addresses: which are asked, where redirects lead, and names whose answers change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from served import Served

from geoships.service.intake import addresses
from geoships.service.intake.addresses import check_address, fetch
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits, ServiceSettings


class Handler(BaseHTTPRequestHandler):
    """Answers with what the server has under a path: bytes, or a place that it leads on to."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.headers["Host"], self.path))
        found = server.content.get(self.path.partition("?")[0])
        if isinstance(found, str):
            self.send_response(302)
            self.send_header("Location", found)
            self.end_headers()
            return
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(server.lengths.get(self.path, len(found or b""))))
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    found: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.content, found.lengths, found.asked = {}, {}, []
    found.port = found.server_address[1]
    thread = threading.Thread(target=found.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def settings(tmp_path: Path, *allowed: str, private: bool = False, **limits: int) -> ServiceSettings:
    return ServiceSettings(
        data_dir=tmp_path, allowed=allowed, private_addresses=private, limits=Limits(free=0, **limits)
    )


def answers(*ips: str) -> Callable[[str, int], Sequence[str]]:
    """A name service that gives one answer after the other, the last for ever."""
    left = list(ips)
    return lambda _host, _port: [left.pop(0) if len(left) > 1 else left[0]]


PUBLIC = answers("93.184.216.34")
ALLOWED = "https://data.example.org/scenes"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{ALLOWED}/a.tif", 0),
        (f"{ALLOWED}/deep/a.tif?version=1", 0),
        ("https://DATA.example.org./scenes/a.tif", 0),
        (ALLOWED, 0),
        ("https://data.example.org/scenes-of-others/a.tif", 403),
        ("https://data.example.org/a.tif", 403),
        ("https://data.example.org/scenes/../secret.tif", 403),
        ("https://data.example.org/scenes/%2e%2e/secret.tif", 403),
        ("https://data.example.org/scenes/..%5csecret.tif", 403),
        ("http://data.example.org/scenes/a.tif", 403),
        ("https://data.example.org:8443/scenes/a.tif", 403),
        ("https://data.example.org.attacker.example/scenes/a.tif", 403),
        ("https://attacker.example/scenes/a.tif", 403),
        ("https://data.example.org@attacker.example/scenes/a.tif", 400),
        ("https://me:pass@data.example.org/scenes/a.tif", 400),
        ("https://data.example.org%2fscenes@x/a.tif", 400),
        ("https://data.example.org\\@attacker.example/scenes/a.tif", 400),
        ("https://data.example.org/scenes/a.tif\r\nHost: x", 400),
        ("https://data.example.org/scenes/a b.tif", 400),
        ("https://d\u0430ta.example.org/scenes/a.tif", 400),
        ("https://data.example.org:99999/scenes/a.tif", 400),
        ("https://[::1/scenes/a.tif", 400),
        ("file:///etc/passwd", 400),
        ("ftp://data.example.org/scenes/a.tif", 400),
        ("gopher://data.example.org/scenes/a.tif", 400),
        ("/vsicurl/https://data.example.org/scenes/a.tif", 400),
        ("s3://bucket/a.tif", 400),
        ("https:///scenes/a.tif", 400),
        ("", 400),
    ],
)
def test_which_addresses_are_allowed(tmp_path: Path, address: str, status: int) -> None:
    chosen = settings(tmp_path, ALLOWED)
    if not status:
        assert check_address(address, chosen, PUBLIC).ip == "93.184.216.34"
        return
    with pytest.raises(ProblemError) as raised:
        check_address(address, chosen, PUBLIC)
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("ip", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("100.64.0.1", False, False),
        ("not an address", False, False),
    ],
)
def test_which_hosts_may_be_asked(tmp_path: Path, ip: str, public: bool, private: bool) -> None:
    for allowed, chosen in (
        (public, settings(tmp_path, ALLOWED)),
        (private, settings(tmp_path, ALLOWED, private=True)),
    ):
        if allowed:
            assert check_address(f"{ALLOWED}/a.tif", chosen, answers(ip)).ip == ip
        else:
            with pytest.raises(ProblemError, match="not allowed"):
                check_address(f"{ALLOWED}/a.tif", chosen, answers(ip))


def test_one_bad_answer_among_several_is_enough(tmp_path: Path) -> None:
    def unknown(*_: object) -> Sequence[str]:
        raise OSError("Name or service not known")

    chosen = settings(tmp_path, ALLOWED)
    with pytest.raises(ProblemError, match="not allowed"):
        check_address(f"{ALLOWED}/a.tif", chosen, lambda *_: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ProblemError, match="not known"):
        check_address(f"{ALLOWED}/a.tif", chosen, unknown)


def test_a_file_is_fetched_from_the_address_that_was_checked(tmp_path: Path, server: Any) -> None:
    place = f"http://data.example.org:{server.port}"
    server.content["/scenes/a.tif"] = b"II*\0 and more"
    asked = answers("127.0.0.1")
    path = fetch(f"{place}/scenes/a.tif?x=1", tmp_path, settings(tmp_path, f"{place}/scenes", private=True), asked)
    assert (path.name, path.read_bytes()) == ("a.tif", b"II*\0 and more")
    assert server.asked == [(f"data.example.org:{server.port}", "/scenes/a.tif?x=1")]


def test_redirects_are_checked_one_by_one(tmp_path: Path, server: Any) -> None:
    place = f"http://data.example.org:{server.port}"
    chosen = settings(tmp_path, f"{place}/scenes", private=True)
    server.content["/scenes/within"] = "/scenes/a.tif"
    server.content["/scenes/a.tif"] = b"II*\0"
    assert fetch(f"{place}/scenes/within", tmp_path, chosen, answers("127.0.0.1")).name == "a.tif"
    for number, target in enumerate(
        (
            "/secret",
            "file:///etc/passwd",
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:1/x",
            "//x/y",
            "",
        )
    ):
        server.content[f"/scenes/{number}"] = target
        with pytest.raises(ProblemError) as raised:
            fetch(f"{place}/scenes/{number}", tmp_path, chosen, answers("127.0.0.1"))
        assert 400 <= raised.value.status < 500
    server.content["/scenes/loop"] = "/scenes/loop"
    with pytest.raises(ProblemError, match="more than 5 times"):
        fetch(f"{place}/scenes/loop", tmp_path, chosen, answers("127.0.0.1"))
    assert not any(path == "/secret" for _, path in server.asked)


def test_answers_of_the_name_service_that_change_lead_nowhere(tmp_path: Path, server: Any) -> None:
    place = f"http://data.example.org:{server.port}"
    server.content["/scenes/on"] = "/scenes/a.tif"
    server.content["/scenes/a.tif"] = b"II*\0"
    chosen = settings(tmp_path, f"{place}/scenes", private=True)
    with pytest.raises(ProblemError, match="not allowed"):
        fetch(f"{place}/scenes/on", tmp_path, chosen, answers("127.0.0.1", "169.254.169.254"))
    assert [path for _, path in server.asked] == ["/scenes/on"]


def test_files_that_are_missing_too_large_or_cut_off(tmp_path: Path, server: Any) -> None:
    place = f"http://data.example.org:{server.port}/"
    chosen = settings(tmp_path, place, private=True, upload=100)
    server.content |= {"/large.tif": bytes(101), "/cut.tif": bytes(10)}
    server.lengths["/cut.tif"] = 50
    for name, status in (("missing.tif", 422), ("large.tif", 413), ("cut.tif", 422)):
        with pytest.raises(ProblemError) as raised:
            fetch(f"{place}{name}", tmp_path, chosen, answers("127.0.0.1"))
        assert raised.value.status == status


def test_a_job_from_an_address_is_fetched_by_its_worker(served: Callable[..., Served], server: Any) -> None:
    place = f"http://127.0.0.1:{server.port}/scenes/"
    service = served(allowed=(place,), private_addresses=True)
    server.content["/scenes/a.tif"] = service.scene()
    server.content["/scenes/a.vrt"] = b"<VRTDataset/>"
    body = {"inputs": {"scene": {"href": f"{place}a.tif?token=hidden"}}}
    answer = service.client.post("/processes/detect-ships/execution", json=body)
    assert answer.status_code == 201
    assert "hidden" not in answer.text
    assert service.do().result["ships"] == 4
    body = {"inputs": {"scene": {"href": f"{place}a.vrt"}}}
    assert service.client.post("/processes/detect-ships/execution", json=body).status_code == 415
    body = {"inputs": {"scene": {"href": f"http://localhost:{server.port}/scenes/a.tif"}}}
    assert service.client.post("/processes/detect-ships/execution", json=body).status_code == 403


def test_without_allowed_addresses_nothing_is_asked(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "resolve_host", lambda *_: pytest.fail("a name was asked for"))
    for address in ("https://data.example.org/a.tif", "http://169.254.169.254/", "file:///etc/passwd"):
        body = {"inputs": {"scene": {"href": address}}}
        answer = service.client.post("/processes/detect-ships/execution", json=body)
        assert answer.status_code in (400, 403)
        assert service.left() == []
