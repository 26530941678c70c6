"""The nth operation of a run on the disk fails, for every n: no torn or lost file, nothing left behind, one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus.command import contents
from fake_models import fake_bundle, fake_card
from faults.disk import failing_disk
from scenes import ship_scene

from geoships import (
    GeoshipsError,
    PredictConfig,
    SceneDataset,
    TilePlan,
    TileSampler,
    open_scene,
    plan_axis,
    predict,
    stitch,
)
from geoships.evaluation import Evaluation, evaluate, write_report
from geoships.model.bundle import load_bundle, save_bundle
from geoships.output.qgis.style_files import MARK
from geoships.training.segmentation.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the operations of Windows are others")
CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", tile_size=128, overwrite=True)
MOST = 400  # operations of a run
VARYING = {".gpkg", ".json", ".qgz", ".pt"}  # files that hold a time: compared by size alone
Run = Callable[[Path, Path], object]  # of a folder of inputs and one of outputs


def predicted(inputs: Path, out: Path) -> None:
    predict(
        inputs / "scene.tif", out=out / "s.geojson", mask=out / "m.tif", scores=out / "c.tif", stac=out / "i.json",
        preview=out / "p.png", project=out / "a.qgz", config=CONFIG, model=fake_bundle(),
    )  # fmt: skip


def as_geopackage(inputs: Path, out: Path) -> None:
    predict(inputs / "scene.tif", out=out / "s.gpkg", config=CONFIG, model=fake_bundle())


def as_geoparquet(inputs: Path, out: Path) -> None:
    predict(inputs / "scene.tif", out=out / "s.parquet", config=CONFIG, model=fake_bundle())


class Bright(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, :1] - 0.5) * 20


def stitched(inputs: Path, out: Path) -> None:
    with open_scene(inputs / "scene.tif", ["red"]) as scene:
        dataset = SceneDataset(scene)
        plan = TilePlan(plan_axis(96, 64, 8, 4, 8, 8), plan_axis(128, 64, 8, 4, 8, 8))
        stitch(dataset, TileSampler(dataset, plan), Bright(), out / "stitched.tif", device="cpu", overwrite=True)


@cache
def evaluated(inputs: Path) -> Evaluation:
    scene, labels = str(inputs / "scene.tif"), inputs / "scene.geojson"
    return evaluate([scene], [labels], config=CONFIG, model=fake_bundle(), allow_seen=True)


def reported(inputs: Path, out: Path) -> None:
    write_report(evaluated(inputs), out, pictures=False, overwrite=True)


def saved(_inputs: Path, out: Path) -> None:
    weights = {"a": torch.arange(6.0)}
    save_bundle(out / "model", fake_card(), weights)
    save_bundle(out / "model.zip", fake_card(), weights)


def checkpointed(_inputs: Path, out: Path) -> None:
    save_checkpoint(out / "last.pt", {"weights": torch.arange(6.0), "step": 7})


RUNS = (predicted, as_geopackage, as_geoparquet, stitched, reported, saved, checkpointed)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    ship_scene(folder / "scene.tif", (96, 128), ships=((20, 30, 4, 20), (60, 60, 20, 5)))
    predict(folder / "scene.tif", out=folder / "scene.geojson", config=CONFIG, model=fake_bundle())
    return folder


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_whatever_operation_fails_no_file_is_torn_or_lost(run: Run, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    run(inputs, tmp_path / "good")
    good = contents(tmp_path / "good")
    for failing in range(1, MOST):
        out = tmp_path / "out"
        out.mkdir()
        if failing % 2:  # over earlier outputs, else in an empty folder
            _leave(good, out)
        before = contents(out)
        error = None
        with failing_disk(out, failing) as disk:
            try:
                run(inputs, out)
            except GeoshipsError as raised:
                error = raised
        if not disk.failed:
            assert error is None
            break
        assert error is None or len(str(error).splitlines()) == 1
        _check(contents(out), before, good, out, tmp_path / "good", done=error is None)
        _empty(out)
    assert failing > 1
    assert failing < MOST - 1


def _leave(names: dict[str, str], out: Path) -> None:
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(f"an earlier {name} {MARK}")  # a style without the mark would be another's


def _check(
    after: dict[str, str], before: dict[str, str], good: dict[str, str], out: Path, example: Path, *, done: bool
) -> None:
    assert set(after) <= set(good), "left behind"
    assert set(after) >= set(before), "lost"
    for name, checksum in after.items():
        if checksum == before.get(name) and not done:
            continue
        if Path(name).suffix in VARYING:
            assert abs((out / name).stat().st_size - (example / name).stat().st_size) < 200, f"{name} is torn"
        else:
            assert checksum == good[name], f"{name} is torn"


def _empty(out: Path) -> None:
    for path in sorted(out.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    out.rmdir()


def test_a_bundle_that_cannot_be_written_is_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    old, new = {"a": torch.zeros(4)}, {"a": torch.ones(4)}
    for failing in range(1, MOST):
        save_bundle(tmp_path / "model", fake_card(gsd=10), old)
        with failing_disk(tmp_path, failing) as disk:
            try:
                save_bundle(tmp_path / "model", fake_card(gsd=20), new)
            except GeoshipsError:
                bundle = None
        if not disk.failed:
            break
        bundle = load_bundle(tmp_path / "model")
        assert (bundle.card.gsd, float(bundle.weights["a"].sum())) in {(10, 0), (20, 4)}, "half old and half new"
    assert failing > 4


def test_a_checkpoint_that_cannot_be_written_is_the_earlier_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"step": 1})
    for failing in range(1, MOST):
        with failing_disk(tmp_path, failing) as disk:
            try:
                save_checkpoint(tmp_path / "last.pt", {"step": 2})
            except GeoshipsError:
                assert disk.failed
        if not disk.failed:
            break
        assert load_checkpoint(tmp_path / "last.pt")["step"] in (1, 2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of file sizes are those of Linux")
@pytest.mark.parametrize("run", [predicted, as_geopackage, as_geoparquet, stitched], ids=lambda run: run.__name__)
def test_a_disk_that_takes_only_so_many_bytes_leaves_no_torn_file(run: Run, inputs: Path, tmp_path: Path) -> None:
    import resource

    (tmp_path / "good").mkdir()
    run(inputs, tmp_path / "good")
    good = contents(tmp_path / "good")
    largest = max(path.stat().st_size for path in (tmp_path / "good").iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [*np.unique(np.geomspace(1, largest * 2, 8).astype(int)).tolist(), 1 << 30]:
        out = tmp_path / str(limit)
        out.mkdir()
        error = None
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))  # GDAL's own writes fail, too
        try:
            run(inputs, out)
        except GeoshipsError as raised:
            error = raised
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert error is None or len(str(error).splitlines()) == 1
        _check(contents(out), {}, good, out, tmp_path / "good", done=error is None)
    assert error is None
    assert json.dumps(sorted(contents(out))) == json.dumps(sorted(good))
