"""Scenes of several files, on one grid."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from geoships import SceneError
from geoships.scene.describe import describe_scene
from geoships.scene.opening.band_files import BandFile, BandFiles, band_files
from geoships.scene.opening.open import SceneFile
from geoships.scene.reader import Reading, open_scene
from geoships.scene.tiling.windows import Window

FINE = Affine(10, 0, 500000, 0, -10, 4000000)
COARSE = Affine(20, 0, 500000, 0, -20, 4000000)


@pytest.fixture
def files(write) -> dict[str, Path]:
    """Two bands of 10 m and one of 20 m on one ground."""
    draw = np.random.default_rng(3)
    fine = {"transform": FINE, "tiled": True, "blockxsize": 32, "blockysize": 32}
    return {
        "blue": write("B02.tif", draw.integers(1, 4000, (1, 96, 128), np.uint16), **fine),
        "red": write("B04.tif", draw.integers(1, 4000, (1, 96, 128), np.uint16), **fine),
        "swir16": write("B11.tif", draw.integers(1, 4000, (1, 48, 64), np.uint16), transform=COARSE),
    }


def scene_of(files: dict[str, Path]) -> BandFiles:
    return band_files([f"{name}={path}" for name, path in files.items()])


def test_the_finest_grid_wins_and_windows_agree_with_the_whole(files):
    with open_scene(scene_of(files), ["red", "swir16"]) as scene:
        assert scene.window.shape == (96, 128)
        assert scene.georeference.transform == FINE
        assert scene.bands.summary == "red=2 (red), swir16=3 (swir16)"
        whole = scene.decode(scene.window).values
        for row in range(0, 96, 20):
            for column in range(0, 128, 37):
                window = Window(row, column, 20, 37).intersection(scene.window)
                part = whole[:, window.row : window.row_end, window.column : window.column_end]
                np.testing.assert_array_equal(scene.decode(window).values, part)
    with rasterio.open(files["red"]) as red, rasterio.open(files["swir16"]) as swir:
        np.testing.assert_array_equal(whole[0], red.read(1))
        options = {"crs": red.crs, "transform": FINE, "height": 96, "width": 128}
        with WarpedVRT(swir, resampling=Resampling.bilinear, **options) as warped:
            inside = (slice(2, -2), slice(2, -2))  # at the edge the two extrapolate in their own ways
            np.testing.assert_allclose(whole[1].astype(int)[inside], warped.read(1).astype(int)[inside], atol=1)


def test_a_scene_of_files_may_be_sent_to_another_process(files):
    with open_scene(scene_of(files), ["blue", "swir16"]) as scene, pickle.loads(pickle.dumps(scene)) as copy:
        window = Window(3, 5, 40, 50)
        np.testing.assert_array_equal(scene.decode(window).values, copy.decode(window).values)


def test_files_of_bands_that_are_not_requested_are_not_opened(files):
    files["red"].unlink()
    with open_scene(scene_of(files), ["blue"]) as scene:
        assert scene.origins == tuple(str(path) for path in files.values())
    with pytest.raises(SceneError, match=r"B04\.tif: no such file"):
        open_scene(scene_of(files), ["blue", "red"])


def test_header_and_description(files):
    header = SceneFile(scene_of(files)).header
    bands, size = header.bands, header.pixel_size
    assert [band.label for band in bands] == ["blue", "red", "swir16"]
    assert size == pytest.approx(10, rel=0.01)
    assert describe_scene(scene_of(files))["size"].startswith("128 columns x 96 rows")


def test_scale_offset_and_nodata_come_from_the_file_unless_stated(write):
    values = np.array([[[0, 1000], [2000, 3000]]], np.uint16)
    plain = BandFile("red", str(write("a.tif", values)), scale=1e-4, offset=-0.1, nodata=0)
    tagged = write("b.tif", values, nodata=1000)
    with rasterio.open(tagged, "r+") as dataset:
        dataset.scales, dataset.offsets = (2e-4,), (0.5,)
        dataset.update_tags(odd="\x01<&", PRODUCT_START_TIME="2023-01-01T10:00:00")
    stack = BandFiles("two", (plain, BandFile("blue", str(tagged))), rule="the test")
    with open_scene(stack, ["red", "blue"]) as scene:
        assert scene.radiometry.scale == (1e-4, 2e-4)
        assert scene.radiometry.offset == (-0.1, 0.5)
        assert scene.radiometry.origin == "the test"
    with open_scene(stack, ["blue"]) as scene:
        assert scene.datetime == "2023-01-01T10:00:00Z"
    with open_scene(stack, ["red"]) as scene:
        assert scene.decode(scene.window).valid.tolist() == [[False, True], [True, True]]
    with open_scene(stack, ["red"], Reading(sensor="reflectance")) as scene:
        assert scene.radiometry.scale == (1.0,)


def test_a_mask_in_a_file_and_a_band_of_many(write):
    path = write("a.tif", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.array([[0, 255, 255, 255]] * 3, np.uint8))
    with open_scene(band_files([f"red={path}:2"]), ["red"]) as scene:
        pixels = scene.decode(scene.window)
    assert pixels.values[0].tolist() == np.arange(12, 24).reshape(3, 4).tolist()
    assert pixels.valid.tolist() == [[False, True, True, True]] * 3


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"crs": "EPSG:32632"}, "band swir16 .* another coordinate reference system than the band blue"),
        ({"transform": COARSE @ Affine.rotation(3)}, "is rotated relative to"),
        ({"transform": COARSE @ Affine.translation(4, 0)}, "does not cover"),
    ],
)
def test_grids_that_do_not_fit(files, write, profile, message):
    files["swir16"] = write("other.tif", np.ones((1, 48, 64), np.uint16), **{"transform": COARSE, **profile})
    with pytest.raises(SceneError, match=message):
        open_scene(scene_of(files), ["blue", "swir16"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["blue"], "expected NAME=FILE"),
        (["blue=a.tif", "blue=b.tif"], "more than once"),
        (["=a.tif"], "expected NAME=FILE"),
    ],
)
def test_invalid_band_options_are_errors(given, message):
    with pytest.raises(SceneError, match=message):
        band_files(given)
