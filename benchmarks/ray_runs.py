"""Many small scenes on a local cluster of Ray whose worker is killed, and against two processes started by hand.

uv run python benchmarks/ray_runs.py                          # 1,000 scenes of 512 x 512, 50 of them bad
uv run python benchmarks/ray_runs.py --runs by-hand,ray-2     # two of the runs: what the efficiency is made of
uv run python benchmarks/ray_runs.py --scenes 40 --bad 2 --size 128 --model tiny

``--model tiny`` is a small network without training, so that the cost of everything else shows. Checks that all runs
have the same ships and pixels, that each bad scene has its reason, and that the exit code is 3. Prints for each run its
wall time, the time from the first scene to the last, the processor time of all processes and of those that compute, and
the peak memory of the process that hands out scenes; then what the manifest costs. Efficiency compares the time from
the first scene to the last: of two processes with a thread each that were started by hand, and of two actors.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

import psutil
import torch
from killed_runs import PARTIAL, contents, make_scenes

from geoships.cluster.fingerprint import file_digest
from geoships.cluster.manifest import Manifest
from geoships.cluster.records import SceneRecord
from geoships.model.bundle import load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.networks import Architecture, build_network

ENCODER = "tu-test_resnet"  # the smallest of timm
POLL = 0.5  # s between two looks at processes
HEAVY = 150 << 20  # bytes from which on a process is one that computes, and not one of Ray's own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000, help="number of scenes")
    parser.add_argument("--bad", type=int, default=50, help="how many of them cannot be read")
    parser.add_argument("--size", type=int, default=512, help="pixels along a side")
    parser.add_argument("--model", default="sentinel2-5band", help="a model, or tiny")
    parser.add_argument("--runs", default=",".join(run.name for run in RUNS), help="which runs, of these")
    parser.add_argument("--seed", type=int, default=1, help="of the scenes")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, for benchmarks/ray_scale.py")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        folder = Path(name)
        make_scenes(folder / "scenes", arguments)
        model = str(tiny_model(folder / "tiny")) if arguments.model == "tiny" else arguments.model
        print(f"{arguments.scenes} scenes of {arguments.size} x {arguments.size}, {arguments.bad} bad", flush=True)
        named = {run.name: run for run in RUNS}
        runs = [named[name] for name in arguments.runs.split(",")]
        measure(runs, folder, model, arguments.scenes)
        check(runs, folder, arguments)
        figures = {"runs": {run.name: run.figures() for run in runs}, "manifest": manifest_cost(folder, runs[-1].name)}
        if hand := next((run for run in runs if run.name == "by-hand"), None):
            for run in (run for run in runs if run.name.startswith("ray-2")):
                print(
                    f"efficiency of {run.name}: {hand.span / run.span:.0%}, with its start {hand.wall / run.wall:.0%}"
                )
        print(json.dumps(figures["manifest"]))
        if arguments.out:
            arguments.out.write_text(json.dumps(figures, indent=1))


def tiny_model(folder: Path) -> Path:
    """A bundle of an untrained network that costs next to nothing, with the bands of the default model."""
    card = json.loads(load_bundle().card.to_json())
    for key in ("geoships:screen", "geoships:verify", "geoships:int8"):
        card.pop(key, None)
    card |= {"mlm:name": "tiny", "geoships:halo": 8, "geoships:network": {"decoder": "unet", "encoder": ENCODER}}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(Architecture("unet", ENCODER, len(load_bundle().card.bands)))
    save_bundle(folder, Card.model_validate(card), network.state_dict())
    return folder


@dataclass
class Run:
    """A run and what was measured of it.

    Attributes:
        name: Folder of its outputs.
        commands: Options of each of its commands.
        wall: s from the start of the commands to their end.
        span: s from the beginning of the first scene to the end of the last.
        processors: s of processor time by process.
        kill: Kill a worker in the middle.
        memory: Peak resident set in bytes of the process that hands out scenes.
        scenes: Median s of a scene.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    kill: bool = False
    wall: float = 0.0
    span: float = 0.0
    processors: dict[int, tuple[bool, float]] = field(default_factory=dict)
    memory: int = 0
    scenes: float = 0.0

    @property
    def cpu(self) -> float:
        """S of processor time of all processes."""
        return sum(seconds for _, seconds in self.processors.values())

    def figures(self) -> dict[str, float]:
        """What is printed: s, and MB."""
        heavy = sum(seconds for is_heavy, seconds in self.processors.values() if is_heavy)
        return {
            "wall": round(self.wall, 1), "span": round(self.span, 1), "cpu": round(self.cpu, 1),
            "cpu_computing": round(heavy, 1), "driver_mb": self.memory >> 20, "median_scene": round(self.scenes, 4),
        }  # fmt: skip


RUNS = (
    Run("by-hand", (("--shard", "1/2"), ("--shard", "2/2"))),
    Run("ray-2", (("--ray", "local", "--jobs", "2"),)),
    Run("ray-2-killed", (("--ray", "local", "--jobs", "2"),), kill=True),
    Run("ray-1-killed", (("--ray", "local", "--jobs", "1"),), kill=True),
)


def measure(runs: list[Run], folder: Path, model: str, scenes: int) -> None:
    for run in runs:
        load = os.getloadavg()[0]
        started = time.monotonic()
        processes = [begin(folder, run.name, model, *options) for options in run.commands]
        done = threading.Event()
        watch = threading.Thread(target=watch_processes, args=(run, processes, done))
        watch.start()
        if run.kill:
            kill_one(folder / run.name, processes[0], scenes // 2)
        codes = [process.wait() for process in processes]
        run.wall = time.monotonic() - started
        done.set()
        watch.join()
        assert max(codes) == PARTIAL, (run.name, codes, (folder / f"{run.name}.log").read_text()[-2000:])
        records = list(Manifest(folder / run.name).records())
        times = [(datetime.fromisoformat(one.started), datetime.fromisoformat(one.finished)) for one in records]
        run.span = (max(last for _, last in times) - min(first for first, _ in times)).total_seconds()
        run.scenes = median(one.seconds for one in records if one.state == "done")
        print(f"{run.name}: {json.dumps(run.figures())}, load before {load:.1f}", flush=True)


def begin(folder: Path, out: str, model: str, *options: str) -> subprocess.Popen[bytes]:
    command = [
        Path(sys.executable).with_name("geoships"), "predict", folder / "scenes", "--out-dir", folder / out,
        "--rasters", "--device", "cpu", "--quiet", "--model", model, *options,
    ]  # fmt: skip
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (folder / f"{out}.log").open("ab") as log:
        return subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, start_new_session=True, env={**os.environ, **single}
        )


def tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def watch_processes(run: Run, processes: list[subprocess.Popen[bytes]], done: threading.Event) -> None:
    """Take the processor time of each process, and the memory of the first, until the run is done."""
    heavy: set[int] = set()
    while not done.wait(POLL):
        for process in processes:
            for one in tree(process):
                try:
                    times, resident = one.cpu_times(), one.memory_info().rss
                except psutil.Error:
                    continue
                if resident > HEAVY and (one.pid != process.pid or len(processes) > 1):
                    heavy.add(one.pid)
                run.processors[one.pid] = one.pid in heavy, times.user + times.system
                if one.pid == process.pid:
                    run.memory = max(run.memory, resident)


def kill_one(out: Path, process: subprocess.Popen[bytes], after: int) -> None:
    """Kill a worker when some scenes have a record."""
    while process.poll() is None and len(list((out / ".geoships" / "scenes").rglob("*.json"))) < after:
        time.sleep(POLL)
    workers = [one for one in tree(process)[1:] if one.is_running() and one.memory_info().rss > HEAVY]
    assert workers, "no worker was found"
    os.kill(max(workers, key=lambda one: one.memory_info().rss).pid, signal.SIGKILL)


def check(runs: list[Run], folder: Path, arguments: argparse.Namespace) -> None:
    first = contents(folder / runs[0].name)
    for run in (one.name for one in runs):
        records = list(Manifest(folder / run).records())
        done, reasons = sum(one.state == "done" for one in records), sum(bool(one.reason) for one in records)
        again = sum(one.attempts for one in records) - len(records)
        assert (done, reasons) == (arguments.scenes - arguments.bad, arguments.bad), (run, done, reasons)
        assert contents(folder / run) == first, f"{run} has other ships or pixels"
        print(f"{run}: {done} results, {reasons} reasons, {again} scenes begun again; the same ships and pixels")


def manifest_cost(folder: Path, run: str) -> dict[str, float]:
    """Median s a scene of what the manifest adds: its lock and records, and the digests of the scene's files."""
    records = [one for one in Manifest(folder / run).records() if one.state == "done"][:200]
    manifest = Manifest(folder / "manifest")

    def timed(what: Callable[[SceneRecord], object]) -> float:
        found = []
        for record in records:
            started = time.perf_counter()
            what(record)
            found.append(time.perf_counter() - started)
        return round(median(found), 6)

    def keep(record: SceneRecord) -> None:
        with manifest.claim(record.place):
            manifest.read(record.place)
            manifest.write(record.model_copy(update={"state": "running", "finished": ""}))
            manifest.write(record)

    def digest(record: SceneRecord) -> None:
        for output in record.outputs.values():
            file_digest(folder / run / output.path)

    seconds = median(one.seconds for one in records)
    found = {"records": timed(keep), "read": timed(lambda one: manifest.read(one.place)), "digests": timed(digest)}
    return {**found, "scene": round(seconds, 4), "share": round(sum(found.values()) / seconds, 4)}


if __name__ == "__main__":
    main()
