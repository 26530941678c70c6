"""A service as processes of its own, scenes for it, and whether its results are those of `geoships predict`."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rasterio
import requests
from timed_process import environment

from geoships.datasets.harbour import render_harbour, write_harbour

GEOSHIPS = Path(sys.executable).with_name("geoships")
OPTIONS = ("--device", "cpu", "--quiet")
START = 180.0  # s that a service may take to answer
FINAL = ("successful", "failed", "dismissed")
RASTERS = ("scores.tif", "mask.tif")
OWN = ("scene", "datetime")  # properties that a file's name or its place on the disk decides


class Service:
    """`geoships serve` on a free port, and processes `geoships worker` beside it.

    Args:
        folder: Its data; the log lies beside it.
        inside: Workers that `geoships serve` starts itself.
        beside: Processes `geoships worker`.
    """

    def __init__(self, folder: Path, *, inside: int = 0, beside: int = 0) -> None:
        self.folder, self.log, self._inside = folder, folder.with_suffix(".log"), inside
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.server = self.start_server()
        self.workers = [self.start_worker() for _ in range(beside)]

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(GEOSHIPS), *arguments, "--data-dir", str(self.folder), *OPTIONS]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment())

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the HTTP side, and wait until it answers."""
        self.server = self._start("serve", "--port", str(self.port), "--workers", str(self._inside), "--requests", "0")
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.server.poll() is None:
            try:
                if requests.get(f"{self.address}/healthz", timeout=5).ok:
                    return self.server
            except requests.RequestException:
                time.sleep(0.1)
        raise SystemExit(f"the service does not answer:\n{self.log.read_text()[-2000:]}")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a process `geoships worker`."""
        return self._start("worker")

    def kill_server(self) -> None:
        """Kill the HTTP side, at once."""
        self.server.kill()
        self.server.wait()

    def jobs(self) -> list[dict[str, Any]]:
        """The statuses of all jobs."""
        found = requests.get(f"{self.address}/jobs?limit=1000", timeout=60).json()
        assert found["numberMatched"] == len(found["jobs"])
        return list(found["jobs"])

    def wait(self, seconds: float, shown: Callable[[str], None] = print) -> list[dict[str, Any]]:
        """Wait until all jobs have ended; returns their statuses."""
        deadline, said = time.monotonic() + seconds, -1
        while True:
            jobs = self.jobs()
            ended = sum(job["status"] in FINAL for job in jobs)
            if ended == len(jobs):
                return jobs
            if ended // 10 != said:
                said = ended // 10
                shown(f"{ended} of {len(jobs)} jobs have ended")
            if time.monotonic() > deadline:
                raise SystemExit(f"after {seconds:.0f} s only {ended} of {len(jobs)} jobs have ended")
            time.sleep(0.5)

    def totals(self) -> dict[str, int]:
        """How many jobs have ended, by state, as the service counts them when they end."""
        text = requests.get(f"{self.address}/metrics", timeout=60).text
        found = re.findall(r'^geoships_jobs_ended_total\{state="(\w+)"\} (\S+)', text, re.MULTILINE)
        return {state: int(float(count)) for state, count in found}

    def close(self) -> None:
        """End all processes."""
        for process in (self.server, *self.workers):
            process.send_signal(signal.SIGTERM)
        for process in (self.server, *self.workers):
            process.wait(60)


def make_scenes(folder: Path, sizes: list[int]) -> dict[int, Path]:
    """Write a rendered harbour of each size; returns the files by their size in pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for size in sizes:
        found[size] = folder / f"harbour-{size}.tif"
        write_harbour(render_harbour(seed=size, size=size), found[size])
    return found


def predicted(scene: Path, folder: Path) -> str:
    """Digest of what `geoships predict` makes of a scene."""
    out = folder / scene.stem
    out.mkdir(parents=True)
    command = [
        GEOSHIPS, "predict", scene, "--out", out / "ships.geojson", "--scores", out / "scores.tif", "--mask",
        out / "mask.tif", *OPTIONS,
    ]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, env=environment())
    return digest(out)


def digest(folder: Path) -> str:
    """Digest of geometry and attributes of ships, and of all pixels of scores and mask."""
    ships = json.loads((folder / "ships.geojson").read_text())["features"]
    kept = [
        {**ship, "properties": {name: value for name, value in ship["properties"].items() if name not in OWN}}
        for ship in ships
    ]
    found = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for name in RASTERS:
        with rasterio.open(folder / name) as dataset:
            found.update(dataset.read().tobytes())
    return found.hexdigest()


def result(service: Service, job: dict[str, Any], folder: Path) -> str:
    """Digest of the result of a job, as a client downloads it."""
    place = folder / job["jobID"]
    place.mkdir(parents=True)
    for name in ("ships.geojson", *RASTERS):
        answer = requests.get(f"{service.address}/jobs/{job['jobID']}/files/{name}", timeout=60)
        answer.raise_for_status()
        (place / name).write_bytes(answer.content)
    return digest(place)
