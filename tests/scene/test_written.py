"""Sparse GeoTIFFs: blocks that were never written are neither decoded nor counted as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as RasterioWindow

from geoships.scene.reader import Scene, open_scene
from geoships.scene.streaming import TileCounts, stream_tiles
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Axis, TilePlan, Window

SIDE, BLOCK = 640, 128


def sparse(path: Path, nodata: float | None = 0, dtype: str = "uint16", interleave: str = "band") -> Path:
    """A scene of two bands; the second one is written in one block, and the first one nowhere."""
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=2, dtype=dtype, tiled=True, blockxsize=BLOCK,
        blockysize=BLOCK, interleave=interleave, sparse_ok=True, nodata=nodata, crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6),
    ) as file:  # fmt: skip
        file.descriptions, file.scales = ("green", "red"), (1e-4, 1e-4)
        file.write(np.full((BLOCK, BLOCK), 500, dtype), 2, window=RasterioWindow(2 * BLOCK, BLOCK, BLOCK, BLOCK))
    return path


def opened(path: Path) -> Scene:
    return open_scene(path, ["green", "red"])


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_a_block_counts_as_written_if_any_band_of_it_is(tmp_path: Path, interleave: str) -> None:
    with opened(sparse(tmp_path / "scene.tif", interleave=interleave)) as scene:
        assert scene.written is not None
        assert np.argwhere(scene.written.written).tolist() == [[1, 2]]
        assert scene.written.any(Window(BLOCK - 1, 3 * BLOCK - 1, 2, 2))
        assert not scene.written.any(Window(BLOCK - 2, 3 * BLOCK - 1, 2, 2))


@pytest.mark.parametrize(
    ("nodata", "dtype", "known"),
    [(None, "uint16", False), (0, "uint16", True), (-1, "int16", True), (float("nan"), "float32", True)],
)
def test_only_pixels_that_are_invalid_when_never_written_are_left_out(
    tmp_path: Path, nodata: float | None, dtype: str, known: bool
) -> None:
    with opened(sparse(tmp_path / "scene.tif", nodata, dtype)) as scene:
        assert (scene.written is not None) is known
        assert scene.decode(Window(0, 0, 8, 8)).valid.any() is np.bool_(not known)


def test_columns_near_are_the_most_of_any_group_of_rows(tmp_path: Path) -> None:
    path = sparse(tmp_path / "scene.tif")
    with rasterio.open(path, "r+") as file:
        file.write(np.full((1, 1), 7, "uint16"), 1, window=RasterioWindow(0, SIDE - 1, 1, 1))
    with opened(path) as scene:
        assert scene.written is not None
        assert scene.written.columns_near(BLOCK, 0) == BLOCK
        assert scene.written.columns_near(BLOCK, 1) == 3 * BLOCK
        assert scene.written.columns_near(SIDE, BLOCK) == 4 * BLOCK


def test_tiles_that_were_never_written_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Window] = []
    with opened(sparse(tmp_path / "scene.tif")) as scene:
        read = scene.decode
        monkeypatch.setattr(scene, "decode", lambda window: decoded.append(window) or read(window))
        one, counts, axis = Ratio(1, 1), TileCounts(), Axis(SIDE, BLOCK, BLOCK)
        plan = TilePlan(axis, axis)
        with_stream = [sample["window"].tolist() for sample in stream_tiles(scene, plan, (one, one), counts=counts)]
    assert with_stream == [[BLOCK, 2 * BLOCK, BLOCK, BLOCK]]
    assert counts.no_data == len(plan) - 1
    assert all(window.row < 2 * BLOCK for window in decoded)
