"""A run whose folder of outputs is in an object store: its records, its claims, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_models import fake_bundle
from s3_server import BUCKET, KEY, SECRET, TOKEN, S3Server, running
from scenes import ship_scene

from geoships.cluster import block_processes, lease, processes
from geoships.cluster.block_folder import BlockFolder
from geoships.cluster.lease import Claim, take
from geoships.cluster.manifest import Manifest
from geoships.cluster.merge import merge_manifests, read_all_ships
from geoships.cluster.report import write_failures
from geoships.cluster.run import RunOptions, RunResult, expected_of, run_scenes
from geoships.config import PredictConfig
from geoships.errors import OutputError
from geoships.model import bundle as bundles
from geoships.pipeline.batch import plan_outputs
from geoships.support.remote.address import RemotePath

OUT = RemotePath(f"s3://{BUCKET}/run")
LOCK = RemotePath(f"s3://{BUCKET}/run/.geoships/scenes/a.lock")
CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


def states(result: RunResult) -> list[str]:
    return [outcome.state for outcome in result.outcomes]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    for where in (block_processes, bundles, processes):
        monkeypatch.setattr(where, "load_bundle", lambda _=None: fake_bundle())
    with running(monkeypatch) as server:
        yield server
    assert not list((tmp_path / "scratch").iterdir())


@pytest.fixture
def run(store: S3Server, tmp_path: Path) -> Callable[..., RunResult]:  # noqa: ARG001 (it has to run)
    def run(names: list[str], *, out: RemotePath = OUT, rasters: bool = False, **settings: object) -> RunResult:
        for name in names:
            if not (tmp_path / name).exists():
                ship_scene(tmp_path / name)
        jobs = plan_outputs([tmp_path / name for name in names], out, rasters=rasters)
        return run_scenes(jobs, out, CPU.model_copy(update=settings), RunOptions())

    return run


def test_outputs_and_records_are_objects(run: Callable[..., RunResult], store: S3Server, tmp_path: Path) -> None:
    (tmp_path / "b.tif").write_text("no raster")
    result = run(["a.tif", "b.tif"], rasters=True)
    assert states(result) == ["done", "failed"]
    write_failures(OUT, result)
    assert set(store.objects) == {
        "run/a.geojson", "run/a_mask.tif", "run/a_scores.tif", "run/failures.csv", "run/.geoships/lists/1-of-1.json",
        "run/.geoships/scenes/a.json", "run/.geoships/scenes/b.json",
    }  # fmt: skip
    record = Manifest(OUT).read("a")
    assert record is not None
    for output in record.outputs.values():
        assert len(store.objects[f"run/{output.path}"]) == output.bytes
    assert record.summary["outputs"]["mask"] == f"s3://{BUCKET}/run/a_mask.tif"
    assert b"b.tif" in store.objects["run/failures.csv"]
    assert not any(secret.encode() in content for content in store.objects.values() for secret in (KEY, SECRET, TOKEN))


def test_the_same_command_does_what_is_not_done(run: Callable[..., RunResult], store: S3Server) -> None:
    run(["a.tif"])
    store.asked.clear()
    assert states(run(["a.tif", "b.tif"])) == ["done before", "done"]
    assert ("PUT", "run/a.geojson", 200) not in store.asked
    del store.objects["run/a.geojson"]
    assert states(run(["a.tif", "b.tif"])) == ["done", "done before"]
    with pytest.raises(OutputError, match="threshold"):
        run(["a.tif"], threshold=0.3)
    assert states(run(["a.tif"], threshold=0.3, overwrite=True)) == ["done"]


def test_outputs_without_a_record_are_refused(run: Callable[..., RunResult], store: S3Server) -> None:
    store.objects["run/a.geojson"] = b"mine"
    with pytest.raises(OutputError, match=r"s3://bucket/run/a\.geojson exists already"):
        run(["a.tif"])
    assert store.objects == {"run/a.geojson": b"mine"}


def test_many_records_are_read_at_once(run: Callable[..., RunResult], store: S3Server) -> None:
    names = [f"x{number}.tif" for number in range(20)]
    run(names)
    store.asked.clear()
    assert states(run(names)) == ["done before"] * 20
    assert len(store.asked) < 20 + 5  # one for each record, and listings


def test_a_scene_that_another_process_holds_is_not_taken(store: S3Server) -> None:
    first = take(LOCK)
    assert first is not None
    assert take(LOCK) is None
    first.release()
    assert not store.objects
    second = take(LOCK)
    assert second is not None
    second.release()


def claimed(store: S3Server, *, host: str, process: int, until: datetime) -> None:
    claim = Claim(owner="other", host=host, process=process, until=until)
    store.objects[LOCK.key] = claim.model_dump_json().encode()


@pytest.mark.parametrize(
    ("host", "process", "minutes", "ours"),
    [
        ("elsewhere", 1, 1, False),
        ("elsewhere", 1, -0.5, False),  # clocks may differ
        ("elsewhere", 1, -2, True),
        ("here", 2**22 + 7, 1, True),  # no process has such a number
    ],
)
def test_a_claim_ends_with_its_process_or_its_time(
    host: str, process: int, minutes: float, ours: bool, store: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease.socket, "gethostname", lambda: "here")
    claimed(store, host=host, process=process, until=datetime.now(UTC) + timedelta(minutes=minutes))
    found = take(LOCK)
    assert (found is not None) == ours
    if found is not None:
        assert json.loads(store.objects[LOCK.key])["host"] == "here"
        found.release()
        assert not store.objects


def test_a_claim_is_renewed_and_one_that_was_taken_over_is_left_alone(
    store: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWAL", 0.02)
    held = take(LOCK)
    assert held is not None
    first = store.objects[LOCK.key]
    for _ in range(200):
        if store.objects[LOCK.key] != first:
            break
        lease.threading.Event().wait(0.02)
    assert json.loads(store.objects[LOCK.key])["until"] > json.loads(first)["until"]
    claimed(store, host="elsewhere", process=1, until=datetime.now(UTC) + timedelta(minutes=5))
    held.release()
    assert json.loads(store.objects[LOCK.key])["owner"] == "other"


def test_a_run_that_was_stopped_is_begun_again_and_its_scratch_is_removed(
    run: Callable[..., RunResult], tmp_path: Path
) -> None:
    from geoships.cluster import attempt as attempts
    from geoships.support.remote.upload import owner_of

    ship_scene(tmp_path / "a.tif")
    (job,) = plan_outputs([tmp_path / "a.tif"], OUT)
    expected = expected_of(OUT, CPU, RunOptions(), fake_bundle())
    Manifest(OUT).write(attempts._begin(job, None, expected))
    left = tmp_path / "scratch" / f"geoships-{owner_of(OUT / 'a')}-x"
    left.mkdir()
    assert states(run(["a.tif"])) == ["done"]
    assert not left.exists()


def test_runs_in_stores_are_merged(run: Callable[..., RunResult], tmp_path: Path) -> None:
    other = RemotePath(f"s3://{BUCKET}/other")
    ship_scene(tmp_path / "b.tif", (190, 200))
    run(["a.tif"])
    run(["b.tif"], out=other)
    merged = merge_manifests([OUT, other])
    ships, _ = read_all_ships(merged, "EPSG:4326")
    assert len(ships) == 8
    with pytest.raises(OutputError, match="is not the folder of outputs of a run"):
        merge_manifests([RemotePath(f"s3://{BUCKET}/nothing")])


def test_blocks_of_a_large_scene_lie_on_this_machine(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = BlockFolder(OUT, "a")
    opened = folder.open("0123456789abcdef")
    assert opened.is_relative_to(tmp_path / "scratch")
    folder.remove()
    assert not store.asked
    assert not list(tmp_path.glob("s3*"))
