"""How far a run on Ray goes: what a task costs, and a simulation from that to 1,000 workers.

uv run python benchmarks/ray_scale.py                       # measures and simulates
uv run python benchmarks/ray_scale.py --scene-seconds 5 --scene-megabytes 20 --store-gigabits 100

Measured on this machine: how long the process that hands out scenes is busy with one task (it sends it, and takes its
summary), on a local cluster whose two actors return at once; its memory after 1,000 tasks; and how long two writes of
a record take. Assumed, by options: how long a scene takes, what is read for it, and what storage gives. In the
simulation each worker reads its scene through the shared link of the storage, computes, and writes its records through
the storage's shared operations; the process that hands out scenes deals with one task at a time.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import simpy

from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome
from geoships.cluster.records import SceneRecord, now_text
from geoships.support.ray_cluster import ray_cluster
from geoships.support.ray_pool import RayTerms, run_on_ray
from geoships.support.workers import Ended, Tell

WORKERS = (1, 2, 10, 50, 100, 200, 500, 1000)
SCENES_A_WORKER = 50
SPREAD = 0.3  # of the time of a scene, as a part of its mean (normal, at least a tenth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks that are measured")
    parser.add_argument("--scene-seconds", type=float, default=5.0, help="s that one worker computes a scene")
    parser.add_argument("--scene-megabytes", type=float, default=20.0, help="MB that are read and written for a scene")
    parser.add_argument("--store-gigabits", type=float, default=100.0, help="Gbit/s that the storage gives all workers")
    parser.add_argument("--store-operations", type=float, default=5000.0, help="small files a second that it writes")
    parser.add_argument("--task-ms", type=float, help="ms of the driver for one task, instead of measuring it")
    arguments = parser.parse_args()
    measured = {"task_ms": arguments.task_ms} if arguments.task_ms else measure(arguments.tasks)
    print(json.dumps(measured))
    print("| workers | scenes | efficiency | link busy | records busy | driver busy |")
    print("| --- | --- | --- | --- | --- | --- |")
    for workers in WORKERS:
        found = simulate(workers, costs_of(arguments, measured["task_ms"] / 1000))
        shares = " | ".join(f"{found[name]:.0%}" for name in ("efficiency", "link", "records", "driver"))
        print(f"| {workers} | {workers * SCENES_A_WORKER} | {shares} |", flush=True)


def measure(tasks: int) -> dict[str, float]:
    """What a task costs the process that hands it out, its memory, and what records cost."""
    from ray_scale import nothing, summary  # by a name that the actors can import

    with tempfile.TemporaryDirectory() as name, ray_cluster("local", 2):
        before = psutil.Process().memory_info().rss
        started, busy = time.perf_counter(), time.process_time()
        outcomes = list(run_on_ray(range(tasks), summary, nothing, RayTerms(2, "cpu")))
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        assert sum(isinstance(one, Ended) for one in outcomes) == tasks
        record, manifest = outcomes[0].result.record, Manifest(Path(name))
        begun = time.process_time()
        for number in range(200):
            with manifest.claim(str(number)):
                manifest.write(record.model_copy(update={"place": str(number), "state": "running", "finished": ""}))
                manifest.write(record.model_copy(update={"place": str(number)}))
        return {
            "tasks": tasks, "task_ms": round(1000 * busy / tasks, 3), "tasks_a_second": round(tasks / seconds, 1),
            "driver_mb_before": before >> 20, "driver_mb": psutil.Process().memory_info().rss >> 20,
            "record_ms": round(1000 * (time.process_time() - begun) / 200, 3),
        }  # fmt: skip


def nothing(device: str) -> None:
    """Prepare nothing."""


def summary(number: int, device: str, tell: Tell) -> Outcome:  # noqa: ARG001
    """An outcome as large as that of a scene, without any work."""
    options = {f"setting {one}": "a value of some length" for one in range(60)}
    record = SceneRecord(
        scene=f"scenes/{number}.tif", place=str(number), state="done", settings=options, finished=now_text(),
        summary={"options": options, "warnings": []},
    )  # fmt: skip
    return Outcome(str(number), record.scene, "done", record)


@dataclass(frozen=True)
class Costs:
    """Seconds that a scene needs of each part. scene: of a worker. link, records, driver: of what all share."""

    scene: float
    link: float
    records: float
    driver: float


def costs_of(arguments: argparse.Namespace, task: float) -> Costs:
    link = arguments.scene_megabytes * 8 / 1000 / arguments.store_gigabits
    return Costs(arguments.scene_seconds, link, 5 / arguments.store_operations, task)  # lock, two records, two outputs


def simulate(workers: int, costs: Costs, scenes: int = SCENES_A_WORKER, seed: int = 1) -> dict[str, float]:
    """Run workers through their scenes.

    Args:
        workers: Their number.
        costs: What a scene needs.
        scenes: For each worker, on average; who is free takes the next.
        seed: Of the times of scenes.

    Returns:
        ``efficiency``: time of the computing alone, shared among all workers, over the time of the run. ``link``,
        ``records`` and ``driver``: parts of the run in which each is busy.
    """
    draw = random.Random(seed)  # noqa: S311 (not for secrets)
    times = [max(0.1, draw.gauss(1, SPREAD)) * costs.scene for _ in range(workers * scenes)]
    world = simpy.Environment()
    shared = {name: simpy.Resource(world) for name in ("link", "records", "driver")}
    waiting = sorted(times)  # the largest is handed out first, from the end

    def use(name: str) -> Iterator[Any]:
        with shared[name].request() as turn:
            yield turn
            yield world.timeout(getattr(costs, name))

    def worker() -> Iterator[Any]:
        while waiting:
            seconds = waiting.pop()
            yield from use("driver")
            yield from use("link")
            yield world.timeout(seconds)
            yield from use("records")

    for _ in range(workers):
        world.process(worker())
    world.run()
    busy = {name: len(times) * getattr(costs, name) / world.now for name in shared}
    return {"efficiency": sum(times) / workers / world.now, **busy}


if __name__ == "__main__":
    main()
