"""One large scene in one process, shared by several, with one of them killed, and killed as a whole and gone on with.

    uv run python benchmarks/one_scene.py                                    # 10,240 x 10,240 pixels, two processes
    uv run python benchmarks/one_scene.py --folder one --runs whole,shared

The scene has five bands in uint16, of rendered harbours. Checks that all runs have the same ships and pixels, and
prints times and memory: the peak over time of what the processes of a run have together, in which libraries that they
share count once.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from killed_runs import contents
from rasterio.windows import Window

from geoships.datasets.harbour import BANDS, NODATA, OFFSET, SCALE, render_harbour

BLOCK = 2048  # pixels per side of the rendered parts that the scene is composed of
POLL = 0.5  # s between two measurements of the memory


RUNS = {
    "whole": "one process, as a whole",
    "blocks": "one process, in blocks",
    "shared": "several processes",
    "one-killed": "several processes, of which one is killed",
    "stopped": "several processes, all killed twice and begun again: the last run",
}


@dataclass(frozen=True)
class Run:
    """What was measured of a run. seconds: wall time. peak: bytes of all processes together."""

    seconds: float
    peak: int

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.peak / 2**30:.2f} GiB at the peak"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10240, help="rows and columns of the scene")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of kills")
    parser.add_argument("--runs", default=",".join(RUNS), help="which runs, of these")
    parser.add_argument("--folder", type=Path, help="keeps the scene and the outputs, for a call with other runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        folder = arguments.folder or Path(name)
        if not (folder / "scene.tif").exists():
            write_scene(folder / "scene.tif", arguments.size)
        for kind in arguments.runs.split(","):
            print(f"{kind}, {RUNS[kind]}: {run_kind(kind, folder, arguments)}", flush=True)
        if not (folder / "whole").exists():
            return
        expected = contents(folder / "whole")
        for out in RUNS:
            if out != "whole" and (folder / out).exists():
                same = contents(folder / out) == expected
                print(f"{out}: the same ships and pixels in {len(expected)} files: {'yes' if same else 'NO'}")
                assert same
                assert not (folder / out / ".geoships" / "blocks").exists()


def run_kind(kind: str, folder: Path, arguments: argparse.Namespace) -> Run:
    """Make one of RUNS."""
    jobs = ("--jobs", str(arguments.jobs))
    if kind == "whole":
        return run(folder, kind, "--no-resume")
    if kind == "blocks":
        return run(folder, kind)
    draw = random.Random(arguments.seed)  # noqa: S311 (not for secrets)
    if kind == "one-killed":
        return run(folder, kind, *jobs, kill_after=draw.randint(2, 6))
    if kind == "stopped":
        stopped(folder, sorted(draw.sample(range(2, 10), 2)), *jobs)
    return run(folder, kind, *jobs)


def write_scene(path: Path, size: int) -> None:
    """Write size x size pixels of rotated copies of rendered harbours, with the edges of their swaths."""
    parts = [render_harbour(seed, BLOCK) for seed in (11, 12)]
    stored = [
        np.where(part.valid, np.clip(np.rint((part.reflectance - OFFSET) / SCALE), 1, 65535), NODATA).astype(np.uint16)
        for part in parts
    ]
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=5, dtype="uint16", tiled=True, blockxsize=512,
        blockysize=512, compress="deflate", zlevel=1, predictor=2, bigtiff="if_safer", nodata=NODATA, crs="EPSG:32631",
        transform=Affine(10, 0, 3e5, 0, -10, 6e6),
    ) as dataset:  # fmt: skip
        dataset.descriptions, dataset.scales, dataset.offsets = BANDS, (SCALE,) * 5, (OFFSET,) * 5
        for number, (row, column) in enumerate(np.ndindex(-(-size // BLOCK), -(-size // BLOCK))):
            values = np.rot90(stored[number % 2], number % 4, (1, 2))
            height, width = min(BLOCK, size - row * BLOCK), min(BLOCK, size - column * BLOCK)
            dataset.write(values[:, :height, :width], window=Window(column * BLOCK, row * BLOCK, width, height))


def start(folder: Path, out: str, *options: str) -> subprocess.Popen[bytes]:
    """Begin a run in a session of its own."""
    command = [
        Path(sys.executable).with_name("geoships"), "predict", folder / "scene.tif", "--out-dir", folder / out,
        "--rasters", "--device", "cpu", "--quiet", *options,
    ]  # fmt: skip
    with (folder / f"{out}.log").open("ab") as log:
        return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True)


def run(folder: Path, out: str, *options: str, kill_after: int | None = None) -> Run:
    """Run to the end, and measure it. kill_after: after how many blocks one of its processes is killed."""
    started, killed = time.monotonic(), False
    process = start(folder, out, *options)
    memory = Memory(process.pid)
    memory.start()
    while process.poll() is None:
        if kill_after is not None and not killed and len(blocks(folder, out)) >= kill_after:
            killed = kill_worker(process.pid)
        time.sleep(0.05)
    memory.done.set()
    assert process.returncode == 0, (folder / f"{out}.log").read_text()
    assert kill_after is None or killed, "the run ended before a process was killed"
    return Run(time.monotonic() - started, memory.peak)


def blocks(folder: Path, out: str) -> list[Path]:
    """The files of finished blocks."""
    return list((folder / out / ".geoships" / "blocks").rglob("[0-9]*.zip"))


def kill_worker(pid: int) -> bool:
    """Kill a process of a run that computes blocks."""
    for child in psutil.Process(pid).children():
        if "spawn_main" in " ".join(child.cmdline()):
            child.send_signal(signal.SIGKILL)
            return True
    return False


def stopped(folder: Path, moments: list[int], *options: str) -> None:
    """Kill runs after some blocks: all their processes at once, and then the parent alone."""
    for number, moment in enumerate(moments):
        process = start(folder, "stopped", *options)
        while process.poll() is None and len(blocks(folder, "stopped")) < moment:
            time.sleep(0.05)
        assert process.poll() is None, "the run ended before it was killed"
        if number:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept = blocks(folder, "stopped")
        print(f"killed with {len(kept)} blocks of {sum(path.stat().st_size for path in kept) / 1e6:.0f} MB", flush=True)


class Memory(threading.Thread):
    """Measures a process and its children: memory of their own, and once what the largest shares with others."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        """Measure until `done` is set."""
        while not self.done.wait(POLL):
            sizes = [size for size in map(_sizes, _family(self.pid)) if size]
            own, shared = sum(own for own, _ in sizes), max((shared for _, shared in sizes), default=0)
            self.peak = max(self.peak, own + shared)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _sizes(process: psutil.Process) -> tuple[int, int] | None:
    """Bytes that a process has alone, and those that it shares with any other, such as libraries."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return None
    return int(memory.uss), int(memory.rss - memory.uss)


if __name__ == "__main__":
    main()
