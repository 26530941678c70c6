"""A run over many scenes in one process: what is computed, passed over, refused and written down."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest
from fake_models import fake_bundle
from scenes import ship_scene

from geoships.cluster import attempt as attempts
from geoships.cluster import fingerprint
from geoships.cluster import run as cluster_run
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome
from geoships.cluster.records import SceneRecord
from geoships.cluster.report import summary_json, summary_table, write_failures
from geoships.cluster.run import RunResult
from geoships.errors import OutputError
from geoships.model import bundle as bundles
from geoships.model.engines.choose import EngineChoice
from geoships.model.installed import ModelChoice
from geoships.pipeline import scene_run

Run = Callable[..., RunResult]


def states(result: RunResult) -> list[str]:
    return [outcome.state for outcome in result.outcomes]


def record(tmp_path: Path, place: str) -> SceneRecord:
    found = Manifest(tmp_path / "out").read(place)
    assert found is not None
    return found


def test_scenes_of_a_run_share_an_engine_also_when_each_has_a_model_of_its_own_choice(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_engine = [], EngineChoice.open
    monkeypatch.setattr(
        EngineChoice, "open", lambda own, *given, **more: opened.append(own) or open_engine(own, *given, **more)
    )
    monkeypatch.setattr(scene_run, "choose_model", lambda *_: ModelChoice(Path("fake"), "the only one"))
    monkeypatch.setattr(scene_run, "load_bundle", lambda _: fake_bundle())
    for name in "abcd":
        ship_scene(tmp_path / f"{name}.tif")
    for settings, scenes in (({}, ["a.tif", "b.tif"]), ({"model": None}, ["c.tif", "d.tif"])):
        assert states(run(scenes, settings=settings)) == ["done"] * 2
    assert len(opened) == 2  # one for each run


def test_each_scene_has_a_record_of_what_it_was_made_from(run: Run, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_text("no raster")
    told: list[Outcome] = []
    result = run(["a.tif", "b.tif"], rasters=True, told=told)
    assert states(result) == ["done", "failed"]
    assert sorted(one.place for one in told) == ["a", "b"]
    done, failed = record(tmp_path, "a"), record(tmp_path, "b")
    assert (done.state, done.ships, done.pixels, done.attempts, done.scene) == (
        "done", 4, 180 * 200, 1, str(tmp_path / "a.tif")
    )  # fmt: skip
    assert done.model == fingerprint.model_mark(fake_bundle())
    assert [(file.path, file.bytes) for file in done.files] == [
        (str(tmp_path / "a.tif"), (tmp_path / "a.tif").stat().st_size)
    ]
    for kind, output in done.outputs.items():
        path = tmp_path / "out" / output.path
        assert (kind, path.stat().st_size, fingerprint.file_digest(path)) == (kind, output.bytes, output.sha256)
    assert set(done.outputs) == {"vector", "mask", "scores"}
    assert (failed.state, failed.outputs, "b.tif" in (failed.reason or "")) == ("failed", {}, True)
    assert not list((tmp_path / "out").rglob("a*.lock"))


def test_what_is_done_is_passed_over_and_what_is_gone_is_made_again(run: Run, tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    run(["a.tif"])
    before = (tmp_path / "out" / "a.geojson").stat().st_mtime_ns
    result = run(["a.tif", "b.tif"])
    assert states(result) == ["done before", "done"]
    assert result.outcomes[0].reason.startswith("finished 2")
    assert (tmp_path / "out" / "a.geojson").stat().st_mtime_ns == before
    (tmp_path / "out" / "a.geojson").unlink()
    assert states(run(["a.tif", "b.tif"])) == ["done", "done before"]
    assert states(run(["a.tif"], overwrite=True)) == ["done"]
    assert record(tmp_path, "a").attempts == 3


def test_a_copy_of_a_scene_is_the_same_scene_and_a_changed_one_is_not(run: Run, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    run(["a.tif"])
    os.utime(tmp_path / "a.tif", (1, 1))
    assert states(run(["a.tif"])) == ["done before"]
    ship_scene(tmp_path / "a.tif", ships=((20, 30, 4, 20),))
    (outcome,) = run(["a.tif"]).outcomes
    assert outcome.state == "refused"
    assert "a.tif has changed since" in outcome.reason
    assert "--overwrite" in outcome.reason
    assert record(tmp_path, "a").ships == 4  # what lies there is what the record says
    assert states(run(["a.tif"], overwrite=True)) == ["done"]
    assert record(tmp_path, "a").ships == 1


def test_outputs_of_other_settings_models_or_programs_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    run(["a.tif", "b.tif"], settings={"threshold": 0.6})
    with pytest.raises(OutputError, match=r"a\.geojson was made from something else, as 1 more were: ") as caught:
        run(["a.tif", "b.tif"], settings={"threshold": 0.7})
    assert "threshold was 0.6, and is 0.7 now; name another folder, or add --overwrite" in str(caught.value)
    with pytest.raises(OutputError, match=r"a_mask.tif and a_scores.tif were not among its outputs"):
        run(["a.tif"], settings={"threshold": 0.6}, rasters=True)
    assert states(run(["a.tif"], settings={"threshold": 0.6, "device": "cpu", "batch_size": 1})) == ["done before"]
    monkeypatch.setattr(bundles, "load_bundle", lambda _: fake_bundle(**{"geoships:halo": 4}))
    with pytest.raises(OutputError, match="the model fake has other weights or another card now"):
        run(["a.tif"], settings={"threshold": 0.6})
    shutil.rmtree(tmp_path / "out" / ".geoships")
    with pytest.raises(OutputError, match=r"a\.geojson exists already; name another, or use --overwrite"):
        run(["a.tif"])


def test_the_content_of_an_area_counts(run: Run, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    area = tmp_path / "area.geojson"

    def write(west: float) -> None:
        ring = [[west, 30], [10, 30], [10, 40], [west, 40], [west, 30]]
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        area.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))

    write(0.0)
    assert states(run(["a.tif"], settings={"area": area})) == ["done"]
    write(0.0)
    assert states(run(["a.tif"], settings={"area": area})) == ["done before"]
    write(1.0)
    with pytest.raises(OutputError, match="area has another content"):
        run(["a.tif"], settings={"area": area})


def test_what_failed_is_tried_again_when_asked_for_or_mended(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no raster")
    assert states(run(["a.tif"])) == ["failed"]
    assert states(run(["a.tif"])) == ["failed before"]
    assert states(run(["a.tif"], retry_failed=True)) == ["failed"]
    assert record(tmp_path, "a").attempts == 2
    assert states(run(["a.tif"], settings={"threshold": 0.4})) == ["failed"]
    ship_scene(tmp_path / "a.tif")
    assert states(run(["a.tif"])) == ["done"]
    assert record(tmp_path, "a").reason is None


def test_a_fault_of_one_scene_does_not_stop_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "b.tif", "c.tif"):
        ship_scene(tmp_path / name)
    predict = attempts.predict_scene

    def faulty(scene: str, *outputs: object, **options: object) -> object:
        if Path(scene).stem == "a":
            raise ZeroDivisionError("no\nships")
        if Path(scene).stem == "b":
            raise MemoryError
        return predict(scene, *outputs, **options)

    monkeypatch.setattr(attempts, "predict_scene", faulty)
    result = run(["a.tif", "b.tif", "c.tif"])
    assert states(result) == ["failed", "failed", "done"], result.outcomes
    assert result.outcomes[0].reason == "unexpected ZeroDivisionError: no ships; please report it"
    assert "out of memory" in result.outcomes[1].reason


def test_a_run_that_was_stopped_goes_on_and_leaves_no_rest(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    predict, begun = attempts.predict_scene, []

    def stopped(scene: str, *outputs: object, **options: object) -> object:
        begun.append(Path(scene).stem)
        if Path(scene).stem == "b":
            raise KeyboardInterrupt
        return predict(scene, *outputs, **options)

    monkeypatch.setattr(attempts, "predict_scene", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(["a.tif", "b.tif"], overlap=False)
    assert record(tmp_path, "b").state == "running"
    owner = next((tmp_path / "out" / ".geoships" / "scenes").glob("b.lock"))
    assert owner.exists()
    rest = tmp_path / "out" / f".geoships-{hashlib.sha256(b'b').hexdigest()[:12]}-0123.geojson"
    rest.touch()  # as a process that was killed leaves it
    monkeypatch.setattr(attempts, "predict_scene", predict)
    assert states(run(["a.tif", "b.tif"])) == ["done before", "done"]
    assert (begun, record(tmp_path, "b").attempts, rest.exists()) == (["a", "b"], 2, False)


def test_a_scene_that_another_run_computes_is_waited_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    manifest = Manifest(tmp_path / "out")
    path = tmp_path / "out" / ".geoships" / "scenes" / "a.lock"
    path.parent.mkdir(parents=True)
    other = filelock.FileLock(path)
    other.acquire()
    waits: list[float] = []

    def other_run_ends(seconds: float) -> None:
        waits.append(seconds)
        other.release()

    monkeypatch.setattr(cluster_run.time, "sleep", other_run_ends)
    told: list[Outcome] = []
    result = run(["a.tif", "b.tif"], told=told, overlap=False)
    assert states(result) == ["done", "done"]
    assert [one.place for one in told] == ["b", "a"]
    assert len(waits) == 1
    assert [one.place for one in manifest.records()] == ["a", "b"]


def test_failures_are_a_table_and_the_summary_counts(run: Run, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_text("no raster")
    result = run(["a.tif", "b.tif"])
    path = write_failures(tmp_path / "out", result)
    assert path is not None
    rows = path.read_text().splitlines()
    assert rows[0] == "scene,place,reason,attempts,finished"
    assert rows[1].startswith(f"{tmp_path / 'b.tif'},b,")
    assert len(rows) == 2
    assert [line.split()[:3] for line in summary_table(result).splitlines()] == [
        ["scenes", "ships", "Mpix"], ["done", "1", "4"], ["failed", "1", "0"],
    ]  # fmt: skip
    summary = summary_json(result)
    assert (summary["scenes"][0]["ships"], summary["scenes"][0]["state"]) == (4, "done")
    assert summary["failed"] == [str(tmp_path / "b.tif")]
    assert summary["failures"][0]["place"] == "b"
    ship_scene(tmp_path / "b.tif")
    assert write_failures(tmp_path / "out", run(["b.tif"])) is None
    assert not path.exists()


def test_a_damaged_record_counts_as_none(run: Run, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    run(["a.tif"])
    (tmp_path / "out" / ".geoships" / "scenes" / "a.json").write_text("{")
    assert Manifest(tmp_path / "out").read("a") is None
    with pytest.raises(OutputError, match="exists already"):
        run(["a.tif"])
    assert states(run(["a.tif"], overwrite=True)) == ["done"]
