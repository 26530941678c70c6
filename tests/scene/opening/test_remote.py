"""Scenes on a server that drops, delays, truncates and refuses: reads recover, or fail with one line."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from fake_models import fake_bundle
from scenes import ship_scene

from geoships import PredictConfig, SceneError, Window, open_scene, predict

CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", style=False)
SECRET = "hush"


class Server(ThreadingHTTPServer):
    """Answers with one file, in a way that misbehaves.

    Attributes:
        content: The file.
        mode: How it misbehaves.
        bad: How many more answers with pixels misbehave.
        asked: Number of requests.
    """

    daemon_threads = True
    content, mode, bad, asked = b"", "", 0, 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that break."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        server = self.server
        server.asked += 1
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        bad = body and server.bad > 0
        if bad:
            server.bad -= 1
        if bad and server.mode.isdigit():
            self.send_response(int(server.mode))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if bad and server.mode == "delay":
            time.sleep(3)
        end = min(int(found[2]), len(server.content) - 1) if found and found[2] else len(server.content) - 1
        part = server.content[start : end + 1]
        self.send_response(206 if found and server.mode != "no-ranges" else 200)
        if server.mode == "no-ranges":
            part = server.content
        elif found:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(server.content)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "none" if server.mode == "no-ranges" else "bytes")
        self.end_headers()
        if not body:
            return
        if bad and server.mode == "drop":
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return
        self.wfile.write(part[: len(part) // 2] if bad and server.mode == "truncate" else part)
        self.close_connection = bad


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    ship_scene(tmp_path / "a.tif", (700, 900), compress="none")
    for name, value in {
        "GDAL_HTTP_RETRY_DELAY": "0.05", "GDAL_HTTP_LOW_SPEED_TIME": "1", "GDAL_HTTP_TIMEOUT": "5", "VSI_CACHE": "NO",
        "CPL_VSIL_CURL_CACHE_SIZE": "0",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with Server(("127.0.0.1", 0), Handler) as found:
        found.content = (tmp_path / "a.tif").read_bytes()
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def address(server: Server, name: str) -> str:
    return f"http://me:{SECRET}@127.0.0.1:{server.server_address[1]}/{name}.tif?signature={SECRET}"


@pytest.mark.parametrize("mode", ["503", "500", "429", "drop", "delay", "truncate"])
def test_a_server_that_fails_once_is_asked_again(mode: str, server: Server, tmp_path: Path) -> None:
    server.mode, server.bad = mode, 1
    result = predict(address(server, f"once-{mode}"), out=tmp_path / "s.geojson", config=CONFIG, model=fake_bundle())
    assert len(result.ships) == 4
    assert SECRET not in str(result.summary())
    assert SECRET not in (tmp_path / "s.geojson").read_text()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("403", "refuses access"),
        ("404", "404"),
        ("503", "server"),
        ("416", "server"),
        ("drop", "server"),
        ("delay", "server"),
        ("truncate", "server"),
        ("no-ranges", ""),
    ],
)
def test_a_server_that_always_fails_gives_one_line_in_bounded_time(
    mode: str, said: str, server: Server, tmp_path: Path
) -> None:
    server.mode, server.bad = mode, 10_000
    started = time.monotonic()
    try:
        result = predict(address(server, f"always-{mode}"), out=tmp_path / "s.fgb", config=CONFIG, model=fake_bundle())
    except SceneError as error:
        text = str(error)
        assert len(text.splitlines()) == 1
        assert said in text
        assert SECRET not in text
        assert not (tmp_path / "s.fgb").exists()
    else:
        assert mode == "no-ranges"  # GDAL may download the whole file
        assert len(result.ships) == 4
    assert time.monotonic() - started < 60
    assert server.asked < 60


@pytest.mark.parametrize("mode", ["503", "drop", "truncate"])
def test_a_server_that_fails_after_the_header_names_the_window(
    mode: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with open_scene(address(server, f"later-{mode}"), ["red"]) as scene:
        server.mode, server.bad = mode, 10_000
        with pytest.raises(SceneError, match="row 512") as error:
            scene.decode(Window(512, 640, 64, 64))
        assert SECRET not in str(error.value) + caplog.text
        server.bad = 0
        assert np.isin(scene.decode(Window(512, 640, 64, 64)).values, [500, 9000]).all()
