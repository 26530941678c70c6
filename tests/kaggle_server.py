"""A server for the part of Kaggle's API that a download needs, and a small data set in the original layout."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np
from labelled_chips import make_chip

SCENES = ("20180708_180909_0f47", "20170705_180816_103e", "20160710_182139_0c78", "20170901_181520_0e14")


def original_chips(each: int = 3) -> list[tuple[str, int, str, list[float], np.ndarray]]:
    """Return name, label, scene, location and pixels of some chips of each scene."""
    chips = []
    for number in range(each * len(SCENES)):
        label, scene = int(number % 3 == 0), SCENES[number // each]
        location = [-122.33222040157942 + number * 1e-3, 37.75009485108779]
        rgb = make_chip(number, ship=bool(label), size=80)
        chips.append((f"{label}__{scene}__{location[0]}_{location[1]}.png", label, scene, location, rgb))
    return chips


def original_archive(*, pictures: bool = True, table: bool = True) -> bytes:
    """A zip file with shipsnet.json, shipsnet/shipsnet/*.png and scenes/scenes/*.png."""
    chips, memory = original_chips(), io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zipped:
        if table:
            planar = [rgb.transpose(2, 0, 1).ravel().tolist() for *_, rgb in chips]
            columns = {
                "data": planar,
                "labels": [chip[1] for chip in chips],
                "locations": [chip[3] for chip in chips],
                "scene_ids": [chip[2] for chip in chips],
            }
            zipped.writestr("shipsnet.json", json.dumps(columns))
        if pictures:
            for name, *_, rgb in chips:
                zipped.writestr(f"shipsnet/shipsnet/{name}", cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
        zipped.writestr("scenes/scenes/lb_1.png", cv2.imencode(".png", np.zeros((90, 120, 3), np.uint8))[1].tobytes())
    return memory.getvalue()


class KaggleServer(ThreadingHTTPServer):
    """Serves one data set.

    Attributes:
        content: The archive.
        interruptions: Number of responses to break off in the middle.
        ranges: Range headers of the requests.
        requests: Path and body of each API request.
        md5: MD5 that it states for the archive.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.interruptions, self.ranges, self.requests = content, 0, [], []
        self.md5 = base64.b64encode(hashlib.md5(content).digest()).decode()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: KaggleServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, body))
        authorized = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"someone:secret").decode()
        if not authorized or body.get("datasetSlug") != "ships-in-satellite-imagery":
            self._answer(404 if authorized else 401, b'{"code": %d, "message": "no"}' % (404 if authorized else 401))
            return
        self.send_response(302)
        self.send_header("Location", f"{self.server.address}/storage/archive.zip?signature=x")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        server, byte_range = self.server, self.headers.get("Range")
        server.ranges.append(byte_range)
        start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        rest = server.content[start:]
        self.send_response(206 if byte_range else 200)
        for name, value in (
            ("Content-Type", "application/zip"), ("Content-Length", str(len(rest))), ("Accept-Ranges", "bytes"),
            ("ETag", '"1"'), ("Last-Modified", "Sun, 29 Jul 2018 12:00:00 GMT"), ("x-goog-hash", f"md5={server.md5}"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if server.interruptions:
            server.interruptions -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def kaggle_server(content: bytes) -> Iterator[KaggleServer]:
    with KaggleServer(content) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
