"""How fast a Cloud Optimized GeoTIFF is read from a server that answers late: is the network the limit, or latency?

    uv run python benchmarks/remote_cog.py
    uv run python benchmarks/remote_cog.py --latency 0.02 --megabytes-per-second 50 --threads 2

A server of this script holds one file, waits before each answer, and shares its rate among all answers. The file is
read as a prediction reads it: rows of tiles from top to bottom, by the decoding threads of the scene. The lower bound
is the size of the file over the rate of the server. GDAL's settings in the environment replace those of geoships.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.shutil import copy

from geoships import Window, open_scene
from geoships.scene.reader import Scene

PIECE = 1 << 16  # bytes that are sent at a time


class Server(ThreadingHTTPServer):
    """One file. latency: seconds before each answer. rate: bytes a second, all answers together."""

    daemon_threads = True
    request_queue_size = 128
    content, latency, rate, requests = b"", 0.0, 0.0, 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.free = threading.Lock(), 0.0

    def turn(self, size: int) -> float:
        """When some bytes may leave."""
        with self.lock:
            self.free = max(self.free, time.monotonic()) + size / self.rate
            return self.free


class Handler(BaseHTTPRequestHandler):
    """Answers requests for ranges."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without the content."""
        self.answer(body=False)

    def do_GET(self) -> None:
        """Answer with the range that is asked for."""
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        """Answer late, and no faster than the rate."""
        server = self.server
        if self.path == "/requests":
            text = json.dumps(server.requests).encode()
            server.requests = 0
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        server.requests += 1
        time.sleep(server.latency)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, len(server.content) - 1
        if found:
            start, end = int(found[1]), min(int(found[2] or end), end)
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(server.content)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        for first in range(start, end + 1 if body else start, PIECE):
            piece = memoryview(server.content)[first : min(first + PIECE, end + 1)]
            time.sleep(max(0.0, server.turn(len(piece)) - time.monotonic()))
            self.wfile.write(piece)


def serve(path: Path, latency: float, rate: float, ready: multiprocessing.Queue) -> None:
    with Server() as server:
        server.content, server.latency, server.rate = path.read_bytes(), latency, rate
        ready.put(server.server_address[1])
        server.serve_forever()


def write_scene(path: Path, size: int) -> None:
    """A scene of four bands with a little noise, as a calm sea has, in small blocks."""
    generator = np.random.default_rng(0)
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(
        plain, "w", driver="GTiff", height=size, width=size, count=4, dtype="uint16", tiled=True,
        crs="EPSG:32631", transform=Affine(10, 0, 500000, 0, -10, 4000000),
    ) as dataset:  # fmt: skip
        for band in range(1, 5):
            dataset.write((400 + 3 * generator.standard_normal((size, size))).astype("uint16"), band)
        dataset.descriptions = ("B02", "B03", "B04", "B08")
        dataset.scales = (1e-4,) * 4
    copy(plain, path, driver="COG", COMPRESS="ZSTD", PREDICTOR="YES", BLOCKSIZE=256)
    plain.unlink()


def read(address: str, threads: int | None, tile: int = 1024) -> float:
    """Seconds to open a scene and to decode all of it, as a prediction does."""
    started = time.perf_counter()
    with open_scene(address, ["blue", "green", "red", "nir"]) as scene:
        if threads is not None:
            Scene.threads = property(lambda _: threads)  # type: ignore[assignment, method-assign]
        height, width = scene.window.shape
        windows = [
            Window(row, column, min(tile, height - row), min(tile, width - column))
            for row in range(0, height, tile)
            for column in range(0, width, tile)
        ]
        with scene.cache(windows) as cache:
            for window in windows:
                cache.fetch(window)
                cache.release(window)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=8192, help="rows and columns of the scene")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--megabytes-per-second", type=float, default=100, help="rate of the server")
    parser.add_argument("--threads", type=int, help="decoding threads; left out: those that geoships chooses")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scene", type=Path, help="a file to read in place of a made one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as folder:
        path = given.scene or Path(folder) / "scene.tif"
        if given.scene is None:
            write_scene(path, given.size)
        ready: multiprocessing.Queue = multiprocessing.Queue()
        rate = given.megabytes_per_second * 1e6
        process = multiprocessing.Process(target=serve, args=(path, given.latency, rate, ready), daemon=True)
        process.start()
        address = f"http://127.0.0.1:{ready.get()}"
        seconds, requests = [], 0
        for number in range(given.runs):
            seconds.append(read(f"{address}/{number}.tif", given.threads))
            import requests as client

            requests = client.get(f"{address}/requests", timeout=10).json()
        process.terminate()
        bound = path.stat().st_size / rate
        local = read(str(path), given.threads)
    print(
        f"{bound * rate / 1e6:.0f} MB, {requests} requests: "
        f"{min(seconds):.2f} s ({', '.join(f'{each:.2f}' for each in seconds)}); from disk {local:.2f} s; "
        f"lower bound by the rate {bound:.2f} s"
    )


if __name__ == "__main__":
    main()
