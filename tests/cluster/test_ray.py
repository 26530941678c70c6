"""Runs on a real cluster of Ray of this machine: the outputs of one process, whatever happens to actors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
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
from geoships.cluster.run import RunOptions, run_scenes
from geoships.errors import BundleError, DeviceError, GeoshipsError, OutputError
from geoships.model import bundle as bundles
from geoships.pipeline.jobs import SceneJob, plan_outputs
from geoships.support import ray_cluster, ray_pool
from geoships.support.workers import death_reason

# Each actor that is started anew costs seconds; GEOSHIPS_RAY=all takes also what dies twice, hangs and is stopped.
WHOLE = os.environ.get("GEOSHIPS_RAY") == "all"
needs_ray = pytest.mark.skipif(not ray_cluster.is_installed(), reason="Ray is not installed: geoships[ray]")


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "load_bundle", lambda _=None: fake_bundle())
    monkeypatch.setattr(cluster_run, "mark_apart", lambda _: model_mark(fake_bundle()))


@needs_ray
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGSTOP and no SIGKILL")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # of Ray
def test_a_cluster_gives_the_outputs_of_one_process_and_survives_the_death_of_actors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_scenes, "prepare", cluster_jobs.prepare_on_ray)
    monkeypatch.setattr(ray_scenes, "run_scene", cluster_jobs.run_on_ray)
    monkeypatch.setenv("PYTHONPATH", str(Path(cluster_jobs.__file__).parent))  # for the actors
    monkeypatch.setattr(ray_pool, "POLLING", 0.5)
    monkeypatch.setattr(ray_pool, "UNREACHABLE", 1.0)
    done, failed = ["dies-once", "a", "b", *(["stops"] if WHOLE else [])], ["bad"]
    failed += ["dies-twice", "hangs"] if WHOLE else []
    for number, name in enumerate([*done, *failed]):
        ship_scene(tmp_path / f"{name}.tif", (400 - 40 * number, 200))
    (tmp_path / "bad.tif").write_text("no raster")
    handler, told = signal.getsignal(signal.SIGTERM), []
    jobs = plan_outputs([tmp_path / f"{name}.tif" for name in [*done, *failed]], tmp_path / "two", rasters=True)
    options = RunOptions(jobs=2, timeout=2.0 if WHOLE else None, ray="local")

    result = run_scenes(jobs, tmp_path / "two", cluster_jobs.CPU, options, on_outcome=told.append)

    states = {outcome.place: outcome.state for outcome in result.outcomes}
    assert states == dict.fromkeys(done, "done") | dict.fromkeys(failed, "failed")
    assert len(told) == len(jobs)
    records = {record.place: record for record in Manifest(tmp_path / "two").records()}
    reasons = {outcome.place: outcome.reason for outcome in result.failed}
    assert {place: record.reason for place, record in records.items() if record.reason} == reasons
    if WHOLE:
        assert reasons["dies-twice"] == death_reason("cpu", 2)
        assert reasons["hangs"] == timeout_reason(2)
    assert (records["dies-once"].attempts, records["dies-once"].lost, records["a"].attempts) == (2, 1, 1)
    assert not ray_cluster.import_ray().is_initialized()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not [child for child in psutil.Process().children(recursive=True) if "ray" in " ".join(child.cmdline())]

    one = plan_outputs([tmp_path / f"{name}.tif" for name in [*done, "bad"]], tmp_path / "one", rasters=True)
    alone = run_scenes(one, tmp_path / "one", cluster_jobs.CPU)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 3 * len(done)
    assert [(outcome.place, outcome.reason) for outcome in alone.failed] == [("bad", reasons["bad"])]
    again = run_scenes(jobs, tmp_path / "two", cluster_jobs.CPU, RunOptions(ray="local"))  # nothing to do: no cluster
    assert (again.count("done before"), again.count("failed before")) == (len(done), len(failed))


@needs_ray
@pytest.mark.skipif(not WHOLE, reason="takes half a minute: GEOSHIPS_RAY=all")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # of Ray
def test_actors_share_a_large_scene_and_one_that_dies_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_processes, "run_block_task", cluster_jobs.run_block_task)
    monkeypatch.setenv("PYTHONPATH", str(Path(cluster_jobs.__file__).parent))
    ship_scene(tmp_path / "large.tif", (600, 200), ships=((20, 30, 4, 20), (40, 60, 400, 5), (150, 180, 6, 20)))
    (tmp_path / "large.deaths").write_text("1")
    found = {}
    for out, options in (("actors", {"jobs": 2, "ray": "local", "blocks": SMALL_BLOCKS}), ("one", {})):
        jobs = plan_outputs([tmp_path / "large.tif"], tmp_path / out, rasters=True)
        (outcome,) = run_scenes(jobs, tmp_path / out, TILED, RunOptions(**options)).outcomes  # type: ignore[arg-type]
        assert (outcome.state, outcome.reason) == ("done", "")
        found[out] = contents(tmp_path / out)
    assert (tmp_path / "large.deaths").read_text() == "0"
    assert found["actors"] == found["one"]
    assert len(found["one"]) == 3


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
