"""Runs on a real cluster of Ray of this machine: the outputs of one process, whatever happens to actors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cluster_jobs
import psutil
import pytest
from cluster_jobs import SMALL_BLOCKS, TILED
from fake_models import fake_bundle
from run_contents import contents
from scenes import ship_scene

from geoships.cluster import attempt, block_processes, processes, ray_scenes
from geoships.cluster import run as cluster_run
from geoships.cluster.blocks import Blocks
from geoships.cluster.decide import Expected
from geoships.cluster.fingerprint import model_mark, settings_mark
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome, timeout_reason
from geoships.cluster.ray_scenes import RaySetup
from geoships.cluster.run import RunOptions, RunResult, run_scenes
from geoships.errors import BundleError, DeviceError, GeoshipsError, OutputError
from geoships.model import bundle as bundles
from geoships.pipeline import scene_run
from geoships.pipeline.jobs import SceneJob, plan_outputs
from geoships.support import ray_cluster, ray_pool
from geoships.support.workers import death_reason

SCENES = ("dies-once", "a", "b", "stops")  # that are done, whatever happens to their actors, besides a large one
FAILED = ("bad", "dies-twice", "hangs")
SHIPS = ((20, 30, 4, 20), (40, 60, 400, 5), (150, 180, 6, 20))  # of the large scene; one crosses many blocks
BLOCKS = replace(SMALL_BLOCKS, large=50_000)
needs_ray = pytest.mark.skipif(not ray_cluster.is_installed(), reason="Ray is not installed: geoships[ray]")
no_windows = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGSTOP and no SIGKILL")


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fake_model(monkeypatch)


def use_fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (bundles, scene_run):
        monkeypatch.setattr(where, "load_bundle", lambda _=None: fake_bundle())
    monkeypatch.setattr(cluster_run, "mark_apart", lambda _: model_mark(fake_bundle()))


@dataclass(frozen=True)
class OnRay:
    """A run on a cluster. left: processes of Ray after it. signal_kept: SIGTERM does after it what it did before."""

    folder: Path
    jobs: list[SceneJob]
    result: RunResult
    told: list[Outcome]
    left: list[str]
    signal_kept: bool


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    """One run for several tests, on a cluster that it starts and ends: that costs seconds, and so does each actor."""
    folder, told = tmp_path_factory.mktemp("ray"), []
    ship_scene(folder / "large.tif", (600, 200), ships=SHIPS)
    (folder / "large.deaths").write_text("1")
    for number, name in enumerate([*SCENES, *FAILED]):
        ship_scene(folder / f"{name}.tif", (88 - 4 * number, 200))
    (folder / "bad.tif").write_text("no raster")
    names = ("large", *SCENES, *FAILED)
    jobs = plan_outputs([folder / f"{name}.tif" for name in names], folder / "two", rasters=True)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for kind in (ResourceWarning, FutureWarning):  # of Ray
            warnings.simplefilter("ignore", kind)
        use_fake_model(patch)
        patch.setattr(block_processes, "run_block_task", cluster_jobs.run_block_task)
        patch.setattr(ray_scenes, "prepare", cluster_jobs.prepare_on_ray)
        patch.setattr(ray_scenes, "run_scene", cluster_jobs.run_on_ray)
        patch.setattr(ray_pool, "POLLING", 0.5)
        patch.setattr(ray_pool, "UNREACHABLE", 1.0)
        patch.setenv("PYTHONPATH", str(Path(cluster_jobs.__file__).parent))  # for the actors
        options = RunOptions(jobs=2, ray="local", blocks=BLOCKS)
        before = signal.getsignal(signal.SIGTERM)
        result = run_scenes(jobs, folder / "two", TILED, options, on_outcome=told.append)
    children = psutil.Process().children(recursive=True)
    left = [text for one in children if "ray" in (text := " ".join(one.cmdline()))]
    yield OnRay(folder, jobs, result, told, left, signal.getsignal(signal.SIGTERM) is before)


@needs_ray
@no_windows
def test_a_run_on_a_cluster_ends_with_one_outcome_for_each_scene_and_takes_the_cluster_with_it(on_ray: OnRay) -> None:
    states = {outcome.place: outcome.state for outcome in on_ray.result.outcomes}
    assert states == dict.fromkeys(("large", *SCENES), "done") | dict.fromkeys(FAILED, "failed")
    assert len(on_ray.told) == len(on_ray.jobs)
    assert not ray_cluster.import_ray().is_initialized()
    assert on_ray.signal_kept
    assert on_ray.left == []


@needs_ray
@no_windows
def test_records_tell_what_became_of_scenes_whose_actors_died(on_ray: OnRay) -> None:
    records = {record.place: record for record in Manifest(on_ray.folder / "two").records()}
    reasons = {outcome.place: outcome.reason for outcome in on_ray.result.failed}
    assert {place: record.reason for place, record in records.items() if record.reason} == reasons
    assert reasons["dies-twice"] == death_reason("cpu", 2)
    assert reasons["hangs"] == timeout_reason(cluster_jobs.HANGS)
    assert (records["dies-once"].attempts, records["dies-once"].lost, records["a"].attempts) == (2, 1, 1)
    assert (on_ray.folder / "large.deaths").read_text() == "0"


@needs_ray
@no_windows
def test_a_cluster_gives_the_outputs_of_one_process_also_for_a_scene_in_blocks(on_ray: OnRay) -> None:
    names = ("large", *SCENES, "bad")
    one = plan_outputs([on_ray.folder / f"{name}.tif" for name in names], on_ray.folder / "one", rasters=True)
    alone = run_scenes(one, on_ray.folder / "one", TILED)
    assert contents(on_ray.folder / "one") == contents(on_ray.folder / "two")
    assert len(contents(on_ray.folder / "one")) == 3 * (1 + len(SCENES))
    reasons = {outcome.place: outcome.reason for outcome in on_ray.result.failed}
    assert [(outcome.place, outcome.reason) for outcome in alone.failed] == [("bad", reasons["bad"])]
    large = alone.outcomes[0].record
    assert large is not None
    assert large.ships == len(SHIPS)


@needs_ray
@no_windows
def test_what_is_done_starts_no_cluster(on_ray: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_run, "ray_cluster", None)  # not called
    again = run_scenes(on_ray.jobs, on_ray.folder / "two", TILED, RunOptions(ray="local", blocks=BLOCKS))
    assert (again.count("done before"), again.count("failed before")) == (1 + len(SCENES), len(FAILED))


@pytest.fixture
def setup(tmp_path: Path) -> RaySetup:
    (tmp_path / "out").mkdir()
    config = cluster_jobs.CPU
    expected = Expected(tmp_path / "out", settings_mark(config), model_mark(fake_bundle()))
    return RaySetup(expected, config, Blocks())


@pytest.fixture
def job(tmp_path: Path) -> SceneJob:
    ship_scene(tmp_path / "a.tif")
    return plan_outputs([tmp_path / "a.tif"], tmp_path / "out")[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "load_bundle", lambda _=None: fake_bundle())

    def run(setup: RaySetup, job: SceneJob) -> Outcome:
        return ray_scenes.run_scene(setup, job, "cpu", lambda _: None)

    return run


def test_a_task_that_runs_twice_leaves_one_result(setup: RaySetup, job: SceneJob, run) -> None:
    first, again = run(setup, job), run(setup, job)
    assert (first.state, again.state) == ("done", "done")
    assert again.record == first.record
    with Manifest(setup.expected.out_dir).claim(job.place):  # while the first still computes, as on a lost node
        assert run(setup, job).state == "busy"


def test_a_scene_is_given_up_after_two_deaths_in_one_run_and_not_after_those_of_others(
    setup: RaySetup, job: SceneJob, run
) -> None:
    manifest = Manifest(setup.expected.out_dir)
    other = Expected(setup.expected.out_dir, setup.expected.settings, setup.expected.model)
    for begun_by, lost, state in (
        (other.run, 5, "done"),
        (setup.expected.run, 0, "done"),
        (setup.expected.run, 1, "failed"),
    ):
        begun = {"state": "running", "attempts": 7, "run": begun_by, "lost": lost}
        manifest.write(cluster_run.SceneRecord(scene="a", place=job.place, **begun))
        outcome = run(setup, job)
        assert outcome.state == state
        assert outcome.record is not None
        assert outcome.record.attempts == 8
    assert outcome.reason == death_reason("cpu", 2)
    assert run(setup, job).state == "failed"  # and is not begun again


def test_an_actor_says_what_its_machine_lacks(setup: RaySetup, tmp_path: Path, run) -> None:
    del run  # for its model
    ray_scenes.prepare(setup, "cpu")
    other = model_mark(fake_bundle(**{"geoships:halo": 4}))
    with pytest.raises(BundleError, match=r"the model fake on .* has other weights or another card"):
        ray_scenes.prepare(replace(setup, expected=replace(setup.expected, model=other)), "cpu")
    with pytest.raises(DeviceError, match=r"and this machine 0\.0; install the same everywhere"):
        ray_scenes.prepare(replace(setup, version="0.0"), "cpu")
    with pytest.raises(OutputError, match="all nodes of a cluster need the folders"):
        ray_scenes.prepare(replace(setup, expected=replace(setup.expected, out_dir=tmp_path / "none")), "cpu")


def test_an_actor_whose_scene_takes_too_long_writes_down_why(
    setup: RaySetup, job: SceneJob, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, predict = threading.Event(), attempt.predict_scene
    monkeypatch.setattr(ray_scenes.os, "_exit", lambda _: ended.set())

    def slow_predict(*arguments: object, **options: object) -> object:
        assert ended.wait(10)
        return predict(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(attempt, "predict_scene", slow_predict)
    written: list[tuple[str, str | None]] = []
    write = Manifest.write
    monkeypatch.setattr(Manifest, "write", lambda own, one: (written.append((one.state, one.reason)), write(own, one)))
    run(replace(setup, timeout=0.1), job)
    assert written[:2] == [("running", None), ("failed", timeout_reason(0.1))]
    ended.clear()
    time.sleep(0.2)
    assert run(replace(setup, timeout=0.1), job).state == "done"  # as the record says; nothing is computed
    assert not ended.is_set()


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    jobs = plan_outputs([tmp_path / "a.tif"], tmp_path / "out")
    with pytest.raises(GeoshipsError, match=r"pip install 'geoships\[ray\]'"):
        run_scenes(jobs, tmp_path / "out", cluster_jobs.CPU, RunOptions(ray="auto"))


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    jobs = plan_outputs([tmp_path / "a.tif"], tmp_path / "out")
    for address, advice in (("auto", "ray start --head"), ("nonsense", "such as 10.0.0.1:6379")):
        with pytest.raises(DeviceError, match=f"--ray {address}: .*{advice}") as caught:
            run_scenes(jobs, tmp_path / "out", cluster_jobs.CPU, RunOptions(ray=address))
        assert "\n" not in str(caught.value)


def test_a_process_that_hands_out_scenes_loads_no_network() -> None:
    modules = "geoships.cluster.run, geoships.cluster.ray_scenes, geoships.cluster.report"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
