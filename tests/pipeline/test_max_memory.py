"""Limits of memory: plans that fit, refusals that name the memory, and huge files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from rasterio.windows import Window as RasterioWindow

from geoships.config import PredictConfig
from geoships.errors import SceneError
from geoships.model.bundle import Bundle
from geoships.pipeline.memory_need import Demand
from geoships.pipeline.run_plan import RunPlan
from geoships.pipeline.scene_run import open_run
from geoships.support.sizes import parse_size

HUGE_FILES = Path(__file__).parents[2] / "benchmarks" / "huge_files.py"
STRIP = 6000  # rows and columns of one strip, which is decoded into 72 MB


def write_scene(path: Path, size: int, **profile: object) -> Path:
    """A scene of zeros; nothing is written into it but one pixel."""
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint16", crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6), sparse_ok=True, **profile,
    ) as file:  # fmt: skip
        file.descriptions, file.scales = ("red",), (1e-4,)
        file.write(np.ones((1, 1, 1), np.uint16), window=RasterioWindow(0, 0, 1, 1))
    return path


def plan(scene: Path, bundle: Bundle | None = None, **settings: object) -> tuple[RunPlan, int]:
    """The plan of a run in float32 by PyTorch, and its estimated bytes."""
    config = PredictConfig(device="cpu", engine="torch", precision="fp32", **settings)  # type: ignore[arg-type]
    with open_run(scene, config=config, model=bundle or fake_bundle()) as run:
        height, width = run.plan.tile_shape
        return run.plan, Demand(run.scene, run.engine).of(run.plan.tiles, run.plan.batch_size * height * width)


def test_batches_then_tiles_are_made_smaller_until_they_fit(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", 5000, tiled=True)
    free, most = plan(scene)
    smaller, fits = plan(scene, max_memory="1200MiB")
    assert fits <= 1200 << 20 < most
    assert smaller.tile_shape[0] * smaller.tile_shape[1] < free.tile_shape[0] * free.tile_shape[1]
    batches, fits = plan(scene, tile_size=512, batch_size=None, max_memory="1GiB")
    assert fits <= 1 << 30
    assert 1 <= batches.batch_size < plan(scene, tile_size=512)[0].batch_size
    assert plan(scene, max_memory="1TiB")[0] == free


def test_a_run_that_cannot_fit_names_the_memory_with_which_it_runs(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", 5000, tiled=True)
    with pytest.raises(SceneError, match=r"needs \d+MiB .* --max-memory is 96MiB") as refused:
        plan(scene, max_memory="100MB")
    needed = re.search(r"needs (\w+)", str(refused.value))
    assert needed
    assert plan(scene, max_memory=needed[1])[1] <= parse_size(needed[1])


def test_a_compressed_strip_of_all_rows_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "strip.tif", STRIP, blockysize=STRIP, compress="deflate")
    with pytest.raises(SceneError, match=r"strip.tif: --max-memory is 48MiB, but .* gdal_translate -co TILED=YES"):
        plan(scene, max_memory="50MB")
    with pytest.raises(SceneError, match=r"needs \d+MiB .* gdal_translate"):
        plan(scene, max_memory="200MB")
    with open_run(scene, config=PredictConfig(max_memory="4GiB"), model=fake_bundle()) as run:
        assert run.scene.threads == 1  # each handle would decode the strip for itself
        assert run.scene.strip_bytes >= 2 * STRIP**2


def test_an_uncompressed_strip_is_read_in_rows(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "strip.tif", STRIP, blockysize=STRIP)
    with open_run(scene, config=PredictConfig(), model=fake_bundle()) as run:
        assert run.scene.strip_bytes == 0


def test_columns_that_were_never_written_need_no_memory(tmp_path: Path) -> None:
    wide = {"tiled": True, "blockxsize": 512, "blockysize": 512}
    _, dense = plan(write_scene(tmp_path / "dense.tif", 70_000, **wide))  # without a nodata value, 0 is a measurement
    _, sparse = plan(write_scene(tmp_path / "sparse.tif", 70_000, nodata=0, **wide))
    assert sparse < 1 << 30 < dense


@pytest.mark.skipif(not HUGE_FILES.exists(), reason="the benchmarks are not in this copy")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux")
def test_a_sparse_scene_of_gigapixels_stays_within_a_gibibyte_over_the_model() -> None:
    command = [sys.executable, str(HUGE_FILES), "sparse", "--whole", "--size", "100000", "--data", "512"]
    command += ["--rows", "4000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"refused": null' in done.stdout
