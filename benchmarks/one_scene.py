"""One large scene in one process, shared by several, with one of them killed, and killed as a whole and gone on with.

    uv run python benchmarks/one_scene.py           # 10,240 x 10,240 pixels, two processes
    uv run python benchmarks/one_scene.py --jobs 4

The scene has five bands in uint16, of rendered harbours. Checks that all runs have the same ships and pixels, and
prints times and memory: the peak over time of the proportional sets of all processes of a run together, in which a page
that several processes share counts once.
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
POLL = 0.2  # s between two measurements of the memory


@dataclass(frozen=True)
class Run:
    """What was measured of a run. seconds: wall time. peak: bytes of all processes together. kills: of processes."""

    seconds: float
    peak: int
    kills: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10240, help="rows and columns of the scene")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        folder, draw = Path(name), random.Random(arguments.seed)  # noqa: S311 (not for secrets)
        write_scene(folder / "scene.tif", arguments.size)
        jobs = ("--jobs", str(arguments.jobs))
        whole = report("one process, as a whole", run(folder, "whole", "--no-resume"))
        report("one process, in blocks", run(folder, "blocks"))
        shared = report(f"{arguments.jobs} processes", run(folder, "shared", *jobs))
        moment = draw.uniform(0.4, 0.7) * shared.seconds
        report(f"{arguments.jobs} processes, one killed", run(folder, "one-killed", *jobs, kill_worker=moment))
        stopped(folder, [draw.uniform(0.3, 0.8) * shared.seconds for _ in range(2)], *jobs)
        report("the same, killed twice as a whole: the last run", run(folder, "stopped", *jobs))
        expected = contents(folder / "whole")
        print(f"{len(expected)} outputs; memory of {arguments.jobs} processes: {shared.peak / whole.peak:.2f} of one")
        for out in ("blocks", "shared", "one-killed", "stopped"):
            same = contents(folder / out) == expected
            print(f"{out}: the same ships and pixels: {'yes' if same else 'NO'}")
            assert same
            assert not (folder / out / ".geoships" / "blocks").exists()


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


def run(folder: Path, out: str, *options: str, kill_worker: float | None = None) -> Run:
    """Run to the end, and measure it. kill_worker: after how many seconds one of its processes is killed."""
    started, kills = time.monotonic(), 0
    process = start(folder, out, *options)
    memory = Memory(process.pid)
    memory.start()
    while process.poll() is None:
        if kill_worker is not None and not kills and time.monotonic() - started > kill_worker:
            kills += _kill_child(process.pid)
        time.sleep(0.05)
    memory.done.set()
    log = (folder / f"{out}.log").read_text()
    assert process.returncode == 0, log
    assert kill_worker is None or kills, "the run ended before a process was killed"
    return Run(time.monotonic() - started, memory.peak, kills)


def _kill_child(pid: int) -> int:
    """Kill the youngest process of a run that has begun its work; the number of kills."""
    for child in reversed(psutil.Process(pid).children()):
        if "spawn_main" in " ".join(child.cmdline()) and child.cpu_times().user > 5:
            child.send_signal(signal.SIGKILL)
            return 1
    return 0


def stopped(folder: Path, moments: list[float], *options: str) -> None:
    """Kill runs with all their processes after some seconds, or the parent alone."""
    for number, moment in enumerate(moments):
        process = start(folder, "stopped", *options)
        time.sleep(moment)
        assert process.poll() is None, "the run ended before it was killed"
        if number % 2:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept = len(list((folder / "stopped" / ".geoships" / "blocks").rglob("0*.zip")))
        size = sum(path.stat().st_size for path in (folder / "stopped" / ".geoships" / "blocks").rglob("*.zip"))
        print(f"killed after {moment:.0f} s: {kept} blocks kept, {size / 1e6:.0f} MB")


class Memory(threading.Thread):
    """Measures the proportional sets of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        """Measure until `done` is set."""
        while not self.done.wait(POLL):
            self.peak = max(self.peak, sum(map(_proportional, _family(self.pid))))


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def report(name: str, measured: Run) -> Run:
    """Print what was measured."""
    print(f"{name}: {measured.seconds:.0f} s, {measured.peak / 2**30:.2f} GiB at the peak", flush=True)
    return measured


if __name__ == "__main__":
    main()
