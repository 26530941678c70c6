"""What a run would do, and what it would take."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio
from fake_models import fake_bundle
from scenes import UTM, ship_scene

from geoships.cluster import dry_run, sizes
from geoships.cluster.dry_run import DryRun, plan_dry_run
from geoships.cluster.manifest import Manifest
from geoships.cluster.records import SceneRecord
from geoships.cluster.run import RunOptions, RunResult, expected_of
from geoships.cluster.selection import Selection, select
from geoships.cluster.sizes import memory_of, read_sizes, seconds_for
from geoships.config import PredictConfig
from geoships.pipeline.batch import SceneJob, plan_outputs
from geoships.scene.listing.listed import LeftOut
from geoships.scene.opening.band_files import BandFile, BandFiles

CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


def plan(tmp_path: Path, names: list[str], *, overwrite: bool = False) -> DryRun:
    jobs = plan_outputs([tmp_path / name for name in names], tmp_path / "out", rasters=True)
    config = CPU.model_copy(update={"overwrite": overwrite})
    expected = expected_of(tmp_path / "out", config, RunOptions(), fake_bundle())
    left_out = [LeftOut("look.png", "a picture")]
    return plan_dry_run(select(jobs, expected), left_out, Manifest(tmp_path / "out").records(), CPU, 1)


def test_processes_that_share_a_scene_need_memory_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "sparse_ok": True, "tiled": True}
    for name, side in (("large.tif", 10240), ("small.tif", 512)):
        with rasterio.open(tmp_path / name, "w", height=side, width=side, crs="EPSG:32631", transform=UTM, **profile):
            pass
    monkeypatch.setattr(dry_run, "free_memory", lambda: 1e12)
    jobs = tuple(plan_outputs([tmp_path / "large.tif", tmp_path / "small.tif"], tmp_path / "out"))
    selection = Selection(jobs, ("", ""), ())
    large, small = memory_of((10240, 10240)), memory_of((512, 512))
    one, two = (plan_dry_run(selection, [], [], CPU, processes) for processes in (1, 2))
    assert (one.memory, two.memory) == (large, 2 * large)
    assert one.seconds == 2 * two.seconds
    assert small < large


def test_a_plan_tells_what_runs_what_does_not_and_why(run: Callable[..., RunResult], tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    (tmp_path / "c.tif").write_text("no raster")
    first = plan(tmp_path, ["a.tif", "b.tif", "c.tif"])
    assert not (tmp_path / "out").exists()
    assert [(one.pixels, one.why) for one in first.planned] == [(36_000, ""), (36_000, ""), (0, "")]
    assert first.planned[0].outputs == tuple(
        tmp_path / "out" / f"a{end}" for end in (".geojson", "_mask.tif", "_scores.tif")
    )
    assert not first.measured
    run(["a.tif", "c.tif"], rasters=True)
    second = plan(tmp_path, ["a.tif", "b.tif", "c.tif"])
    assert [one.scene for one in second.planned] == [str(tmp_path / "b.tif")]
    assert [one.reason.partition(",")[0] for one in second.skipped] == ["done before", "failed before", "a picture"]
    assert second.measured
    lines = second.text().splitlines()
    assert lines[0] == f"run   {tmp_path}/b.tif, 0.0 Mpix -> {tmp_path}/out/b.geojson, {tmp_path}/out/b_mask.tif, " \
                       f"{tmp_path}/out/b_scores.tif"  # fmt: skip
    assert lines[-1].startswith("1 to run, 3 to skip: 0.0 Mpix, about ")
    assert "as fast as the scenes before" in lines[-1]
    again = plan(tmp_path, ["a.tif", "c.tif"], overwrite=True)
    assert [one.why for one in again.planned] == ["made again", "made again"]
    assert "of unknown size (made again)" in again.text()
    plain = again.to_json()
    assert plain["planned"][0]["reason"] == "made again"
    assert plain["megapixels"] == 0.036


def test_sizes_are_read_without_waiting_for_what_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_scene(tmp_path / "a.tif", (90, 200))
    ship_scene(tmp_path / "red.tif", (60, 50))
    names = ["a.tif", "none.tif"]
    if os.name != "nt":
        os.mkfifo(tmp_path / "pipe.tif")
        names.append("pipe.tif")
    jobs = [SceneJob(str(tmp_path / name)) for name in names]
    jobs.append(SceneJob(BandFiles("bands", (BandFile("red", str(tmp_path / "red.tif")),))))
    assert read_sizes(jobs) == [(90, 200), *[(0, 0)] * (len(names) - 1), (60, 50)]
    monkeypatch.setattr(sizes, "_size", lambda *_, **__: sizes.time.sleep(5))
    assert read_sizes(jobs[:1], patience=0.05) == [(0, 0)]


def test_estimates_grow_with_a_scene_up_to_a_bound() -> None:
    small, large, wide = memory_of((512, 512)), memory_of((10_240, 10_240)), memory_of((1000, 1_000_000))
    assert small < large < wide < 2.1 * 2**30
    records = [
        SceneRecord(scene="a", place="a", state="done", seconds=seconds, pixels=1_000_000)
        for seconds in (1.0, 2.0, 9.0)
    ]
    assert seconds_for(3_000_000, records, "cpu") == (6.0, True)
    rough, measured = seconds_for(3_000_000, [], "cpu", views=4)
    assert (rough, measured) == (seconds_for(12_000_000, [], "cpu")[0], False)
    assert seconds_for(3_000_000, [], "cuda:0")[0] < rough
