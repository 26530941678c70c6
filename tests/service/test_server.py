"""A real service: its processes, kills, what is no HTTP, and connections that are slow."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from running import Running
from scenes import ship_scene


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    service = Running(tmp_path_factory.mktemp("service") / "data", workers=0)
    service.start()
    yield service
    service.kill(signal.SIGTERM)


HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\nA b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n",
        b"GET http://evil/jobs HTTP/1.1\r\nHost: evil\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: localhost\r\n\r\n",
        b"GET /jobs/%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /jobs HTTP/1.1\r\n" + HOST + FORM + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFFF\r\n--x",
        b"POST /jobs HTTP/1.1\r\n" + HOST + FORM + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 9999999999999999999999999\r\n\r\n--x",
    ],
)
def test_what_is_no_http_is_refused_by_a_problem(running: Running, sent: bytes) -> None:
    answer = running.talk(sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4"), answer[:300]
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == int(head.split()[1])
    assert requests.get(f"{running.address}/healthz", timeout=2).ok


def test_both_lengths_are_not_two_requests(running: Running) -> None:
    inner = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    both = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n" % (5 + len(inner))
    answer = running.talk(b"POST /jobs HTTP/1.1\r\n" + HOST + both + inner, more=5)
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_length_that_is_too_large_is_refused_before_the_body(running: Running) -> None:
    sent = b"POST /jobs HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 99999999999999\r\n"
    started = time.monotonic()
    answer = running.talk(sent + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 2
    assert list((running.folder / "uploads").iterdir()) == []


def test_health_answers_while_uploads_are_slow(tmp_path: Path) -> None:
    service = Running(tmp_path / "data", 0, limits={"free": 0, "stall": 1.0})
    service.start()
    slow: list[socket.socket] = []
    try:
        for _ in range(50):
            connection = socket.create_connection(("127.0.0.1", service.port), 5)
            length = b"Content-Length: 1000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            connection.sendall(b"POST /jobs HTTP/1.1\r\n" + HOST + length)
            slow.append(connection)
        for _ in range(5):
            started = time.monotonic()
            assert requests.get(f"{service.address}/healthz", timeout=2).ok
            assert time.monotonic() - started < 2
        slow[0].settimeout(20)
        assert slow[0].recv(65536).startswith(b"HTTP/1.1 408")
        for connection in slow[1:]:
            connection.settimeout(20)
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")
    finally:
        for connection in slow:
            connection.close()
        service.kill(signal.SIGTERM)
    assert list((service.folder / "uploads").iterdir()) == []


class Health:
    """Asks for the health of a service all the time; `longest` are the seconds that an answer took."""

    def __init__(self, address: str) -> None:
        self.longest, self.asked = 0.0, 0
        self._address, self._done = address, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._done.wait(0.05):
            started = time.monotonic()
            assert requests.get(f"{self._address}/healthz", timeout=30).ok
            self.longest, self.asked = max(self.longest, time.monotonic() - started), self.asked + 1

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def many_members() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(25_000):
            archive.writestr(f"{number}.txt", b"")
    return file.getvalue()


def unpacks_to_much() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scene.tif", b"II*\0" + bytes(256 << 20))
    return file.getvalue()


def test_health_answers_within_two_seconds_while_the_service_is_attacked(running: Running) -> None:
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n1\r\n' % each for each in range(50_000))
    bodies = {
        "many.zip": many_members(), "bomb.zip": unpacks_to_much(), "noise.tif": b"II*\0" + os.urandom(4 << 20),
        "noise.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + os.urandom(4 << 20),
    }  # fmt: skip
    answers: list[requests.Response] = []

    def attack() -> None:
        for name, body in bodies.items():
            answers.append(requests.post(f"{running.address}/jobs", files={"file": (name, body)}, timeout=60))
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        answers.append(requests.post(f"{running.address}/jobs", data=parts, headers=form, timeout=60))
        execution = f"{running.address}/processes/detect-ships/execution"
        answers.append(requests.post(execution, data=b'{"inputs": ' + b"[" * 900_000, timeout=60))
        for href in (
            "file:///etc/passwd",
            "http://169.254.169.254/latest",
            "http://127.0.0.1:1/a.tif",
            "/vsizip/a.zip",
        ):
            answers.append(requests.post(execution, json={"inputs": {"scene": {"href": href}}}, timeout=60))

    with Health(running.address) as health:
        attackers = [threading.Thread(target=attack) for _ in range(4)]
        for thread in attackers:
            thread.start()
        for thread in attackers:
            thread.join()
    assert len(answers) == 4 * 10
    for answer in answers:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        for secret in ("Traceback", str(running.folder), str(Path(__file__).parents[2])):
            assert secret not in answer.text
    assert health.asked > 10
    assert health.longest < 2
    assert list((running.folder / "uploads").iterdir()) == []


def test_a_port_that_is_taken_is_one_clear_line(running: Running, tmp_path: Path) -> None:
    from geoships.errors import GeoshipsError
    from geoships.service.server import Listening, serve
    from geoships.service.settings import ServiceSettings

    with pytest.raises(GeoshipsError, match="choose another --port"):
        serve(ServiceSettings(tmp_path), Listening(port=running.port, workers=0), say=lambda _: None)


def test_the_first_page_waits_for_no_library_that_takes_long() -> None:
    heavy = ["torch", "torchgeo", "pandas", "geopandas", "xarray", "titiler", "rio_tiler", "openvino", "scipy"]
    code = f"import sys, geoships.service.server; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def upload(address: str, content: bytes, name: str, accepted: dict[str, str], stop: threading.Event) -> None:
    """Send a scene until it is accepted, as a client does that is not sure of an answer."""
    while not stop.is_set():
        try:
            answer = requests.post(
                f"{address}/jobs", files={"file": (f"{name}.tif", content)}, timeout=20,
                headers={"Idempotency-Key": name},
            )  # fmt: skip
        except requests.RequestException:
            time.sleep(0.1)
            continue
        if answer.status_code in (200, 201):
            accepted[name] = answer.json()["jobID"]
            return
        time.sleep(0.1)


def kill_while_uploads_go_on(service: Running, content: bytes, kills: int, jobs: int) -> dict[str, str]:
    """Kill the service, a worker or both at random moments; returns the ids of the jobs by name."""
    accepted: dict[str, str] = {}
    stop = threading.Event()
    names = [f"short-{number}" for number in range(jobs)]
    threads = [threading.Thread(target=upload, args=(service.address, content, name, accepted, stop)) for name in names]
    waiting = iter(threads)
    for number in range(kills):
        for thread in [thread for _, thread in zip(range(max(1, jobs // kills)), waiting, strict=False)]:
            thread.start()
        time.sleep(random.uniform(0.05, 0.5))
        if number % 3 != 0:
            service.kill_a_worker()
        if number % 3 != 1:
            service.kill()
            service.start()
    for thread in waiting:
        thread.start()
    for thread in threads:
        thread.join(60)
    stop.set()
    assert sorted(accepted) == sorted(names)
    return accepted


@pytest.mark.parametrize("kills", [int(os.environ.get("GEOSHIPS_TEST_KILLS", "2"))])
def test_every_accepted_job_ends_once_whatever_is_killed(tmp_path: Path, kills: int) -> None:
    random.seed(7)
    ship_scene(tmp_path / "scene.tif")
    service = Running(tmp_path / "data", workers=2)
    service.start()
    try:
        accepted = kill_while_uploads_go_on(service, (tmp_path / "scene.tif").read_bytes(), kills, 2 * kills)
        until = time.monotonic() + 60 + 5 * kills
        while True:
            found = requests.get(f"{service.address}/jobs?limit=1000", timeout=10).json()
            if all(job["status"] not in ("accepted", "running") for job in found["jobs"]):
                break
            assert time.monotonic() < until, found
            time.sleep(0.2)
        assert sorted(job["jobID"] for job in found["jobs"]) == sorted(accepted.values())
        given_up = [job for job in found["jobs"] if job["status"] == "failed"]
        assert all("two workers were lost" in job["message"] for job in given_up)
        assert {job["status"] for job in found["jobs"]} <= {"successful", "failed"}
        totals = requests.get(f"{service.address}/metrics", timeout=10).text
        for state in ("successful", "failed"):
            count = sum(job["status"] == state for job in found["jobs"])
            assert f'geoships_jobs_ended_total{{state="{state}"}} {float(count)}' in totals
        for job in found["jobs"]:
            if job["status"] == "successful":
                assert requests.get(f"{service.address}/jobs/{job['jobID']}/files/ships.geojson", timeout=10).ok
    finally:
        service.kill(signal.SIGTERM)
