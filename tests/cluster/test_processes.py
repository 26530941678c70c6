"""Runs in several processes: the same outputs, processes that die or hang, and runs that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from multiprocessing.context import BaseContext
from pathlib import Path

import cluster_jobs
import pytest
from run_contents import contents
from scenes import ship_scene

from geoships.cluster import processes
from geoships.cluster import run as cluster_run
from geoships.cluster.decide import Expected
from geoships.cluster.manifest import Manifest
from geoships.cluster.records import now_text
from geoships.cluster.run import RunOptions, RunResult, run_scenes, thread_limits
from geoships.model import bundle as bundles
from geoships.pipeline.batch import SceneJob, plan_outputs
from geoships.support import workers
from geoships.support.workers import Lost

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among files and no SIGKILL")

Children = Callable[[], list[multiprocessing.process.BaseProcess]]


def states(result: RunResult) -> dict[str, str]:
    return {outcome.place: outcome.state for outcome in result.outcomes}


class Recorder(cluster_run.NoProgress):
    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.pixels = 0

    def start(self, name: str, pixels: int) -> None:
        self.started.append((name, pixels))

    def advance(self, pixels: int) -> None:
        self.pixels += pixels


def test_processes_give_the_outputs_of_one_and_survive_what_happens_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: Children, forkserver: BaseContext
) -> None:
    monkeypatch.setattr(workers.multiprocessing, "get_context", lambda _: forkserver)
    for name, rows in (("a", 180), ("b", 400), ("dies-when-done", 180), ("hangs", 600)):
        ship_scene(tmp_path / f"{name}.tif", (rows, 200))
    (tmp_path / "bad.tif").write_text("no raster")
    monkeypatch.setattr(processes, "run_scene", cluster_jobs.run_scene)
    monkeypatch.setattr(bundles, "load_bundle", lambda _: cluster_jobs.fake_bundle())
    monkeypatch.setattr(workers, "ENDING", 0.2)
    names = ["a", "b", "bad", "dies-when-done", "hangs"]
    jobs = plan_outputs([tmp_path / f"{name}.tif" for name in names], tmp_path / "two", rasters=True)
    heard, order = Recorder(), []

    result = run_scenes(
        jobs, tmp_path / "two", cluster_jobs.CPU, RunOptions(jobs=2, timeout=5.0), progress=heard,
        on_outcome=lambda outcome: order.append(outcome.place),
    )  # fmt: skip

    assert states(result) == {"a": "done", "b": "done", "bad": "failed", "dies-when-done": "done", "hangs": "failed"}
    reasons = {outcome.place: outcome.reason for outcome in result.failed}
    assert reasons["hangs"] == "not done after 5 s (--scene-timeout)"
    assert {record.place: record.reason for record in Manifest(tmp_path / "two").records() if record.reason} == reasons
    assert heard.started == [("5 scenes", 200 * (180 * 2 + 400 + 600))]
    assert heard.pixels == heard.started[0][1]
    assert children() == []
    whole = [job for job in jobs if job.place in ("a", "b", "dies-when-done")]
    one = plan_outputs([job.scene for job in whole], tmp_path / "one", rasters=True)
    assert set(states(run_scenes(one, tmp_path / "one", cluster_jobs.CPU)).values()) == {"done"}
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 9


def test_a_scene_whose_process_died_is_written_down_unless_it_was_done(tmp_path: Path) -> None:
    manifest, job = Manifest(tmp_path), SceneJob(str(tmp_path / "a.tif"), tmp_path / "a.gpkg", place="a")
    expected = Expected(tmp_path, {"threshold": 0.5}, retry_failed=True)
    run = cluster_run._Run(expected, cluster_jobs.CPU, RunOptions(), cluster_run.NoProgress(), None)
    outcome = run._record_loss(job, Lost(0, "a process died"))
    assert (outcome.state, outcome.reason) == ("failed", "a process died")
    record = manifest.read("a")
    assert record is not None
    assert (record.state, record.reason, record.attempts, record.settings) == (
        "failed", "a process died", 1, {"threshold": 0.5}
    )  # fmt: skip
    manifest.write(record.model_copy(update={"state": "done", "reason": None, "finished": now_text()}))
    assert run._record_loss(job, Lost(0, "a process died")).state == "done"


def test_cores_are_shared_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert thread_limits(3) == {"OMP_NUM_THREADS": "2"}
    assert thread_limits(9) == {"OMP_NUM_THREADS": "1"}


def test_runs_that_are_killed_and_begun_again_end_as_one_quiet_run(tmp_path: Path, forkserver: BaseContext) -> None:
    names = [f"{number}.tif" for number in range(6)]
    for number, name in enumerate(names):
        ship_scene(tmp_path / name, (180 + 8 * number, 200))
    (tmp_path / names[3]).write_text("no raster")
    draw, kills = random.Random(5), 0

    def run(delay: float) -> multiprocessing.process.BaseProcess:
        process = forkserver.Process(target=cluster_jobs.slow_run, args=(tmp_path, names, delay))
        process.start()
        return process

    def begun() -> list[str]:
        return (tmp_path / "begun").read_text().split() if (tmp_path / "begun").exists() else []

    def done() -> set[str]:
        return {record.place for record in Manifest(tmp_path / "out").records() if record.state == "done"}

    for _ in range(3):
        before, finished, process = len(begun()), done(), run(0.1)
        while process.is_alive() and len(begun()) == before:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.2))
        kills += process.is_alive()
        process.kill()
        process.join()
        assert not finished & set(begun()[before:])
    last = [run(0.0), run(0.0)]  # two at a time on one folder
    for process in last:
        process.join(60)
        assert process.exitcode == 0
    killed, records = contents(tmp_path / "out"), list(Manifest(tmp_path / "out").records())
    assert kills >= 2
    assert len(begun()) <= len(names) + 2 * kills  # each kill costs the two scenes that were being computed
    assert [record.state for record in records] == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert not [path for path in (tmp_path / "out").rglob(".geoships-*") if path.is_file()]
    (tmp_path / "out").rename(tmp_path / "killed")
    quiet = run(0.0)
    quiet.join(60)
    assert contents(tmp_path / "out") == killed
    assert len(killed) == 5 * 3
