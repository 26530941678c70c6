"""Which bands show a scene, and between which values."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoships.scene import display
from geoships.scene.display import choose_display
from geoships.scene.reader import Reading, open_scene

GRID = {"driver": "GTiff", "crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 4000000)}


def written(path: Path, values: np.ndarray, names=(), scale=1.0, offset=0.0, **profile) -> Path:
    count, height, width = values.shape
    with rasterio.open(
        path, "w", count=count, height=height, width=width, dtype=values.dtype, **GRID | profile
    ) as file:
        file.write(values)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)
        file.scales, file.offsets = (scale,) * count, (offset,) * count
    return path


def shown(path: Path, wanted=("red",), **reading):
    with open_scene(path, wanted, Reading(**reading)) as scene:
        return choose_display(scene)


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (("B02", "B03", "B04", "B08"), (3, 2, 1)),
        (("nir", "red", "green"), (1, 2, 3)),
        (("swir16", "red"), (2,)),
        (("red", "red", "green", "blue"), (1, 3, 4)),
    ],
)
def test_true_colours_then_false_colours_then_grey(tmp_path, names, bands):
    values = np.ones((len(names), 4, 5), "uint16")
    reading = {"bands": (1,)} if names[0] == "red" else {}
    assert shown(written(tmp_path / "s.tif", values, names), **reading).bands == bands


def test_colour_interpretation_counts(tmp_path):
    path = written(tmp_path / "s.tif", np.ones((3, 4, 5), "uint8"), photometric="RGB")
    assert shown(path).bands == (1, 2, 3)


def test_bands_that_the_user_named_count(tmp_path):
    path = written(tmp_path / "s.tif", np.ones((3, 4, 5), "uint16"))
    assert shown(path, ("blue", "green", "red"), bands=(1, 3, 2)).bands == (2, 3, 1)


def test_the_ends_are_percentiles_in_the_files_units(tmp_path):
    values = np.arange(10_000, dtype="uint16").reshape(1, 100, 100)
    path = written(tmp_path / "s.tif", values, ("red",), scale=1e-4, offset=-0.1)
    assert shown(path).ranges[0] == pytest.approx((0.02 - 0.1, 0.98 - 0.1), abs=1e-4)


def test_pixels_without_data_do_not_count(tmp_path):
    values = np.full((1, 40, 50), 7, "uint16")
    values[:, :20] = 0
    values[:, 30:] = 9
    assert shown(written(tmp_path / "s.tif", values, ("red",), nodata=0)).ranges == ((7, 9),)
    values[:] = 0
    assert shown(written(tmp_path / "none.tif", values, ("red",), nodata=0)).ranges == ((0, 1),)


def test_one_value_is_still_a_range(tmp_path):
    assert shown(written(tmp_path / "s.tif", np.full((1, 9, 9), 7, "uint16"), ("red",))).ranges == ((7, 8),)


def test_large_scenes_are_read_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr(display, "READ_WHOLE", 100)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (1, 700, 900)).astype("uint16")
    low, high = shown(written(tmp_path / "s.tif", values, ("red",))).ranges[0]
    assert (low, high) == pytest.approx((20, 980), abs=10)
