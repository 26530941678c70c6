"""Bands of several data types in one scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoships.scene.opening.band_files import band_files
from geoships.scene.quicklook import open_quicklook
from geoships.scene.radiometry import choose_radiometry
from geoships.scene.reader import open_scene
from geoships.scene.torchgeo import SceneDataset

GRID = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 4000000)}
NAMES = ("blue", "green", "red")


def scene_of(folder: Path, *bands: tuple[str, float]):
    """Files of one band each, all of one value; their data types differ."""
    given = []
    for name, (dtype, value) in zip(NAMES, bands, strict=True):
        path = folder / f"{name}.tif"
        with rasterio.open(path, "w", driver="GTiff", height=48, width=48, count=1, dtype=dtype, **GRID) as file:
            file.write(np.full((1, 48, 48), value, dtype))
        given.append(f"{name}={path}")
    return band_files(given)


CASES = [
    ((("uint16", 1000), ("uint16", 1000), ("float32", 0.1)), 0.1),
    ((("uint16", 2000), ("int16", 2000), ("float64", 0.2)), 0.2),
    ((("uint8", 51), ("uint16", 2000), ("float32", 2000.0)), 0.2),
]


@pytest.mark.parametrize(("bands", "reflectance"), CASES)
def test_each_data_type_keeps_its_own_scale(tmp_path, bands, reflectance):
    with open_scene(scene_of(tmp_path, *bands), NAMES) as scene:
        pixels = scene.decode(scene.window)
        np.testing.assert_allclose(scene.radiometry.apply(pixels.values), reflectance, rtol=1e-5)
        assert pixels.values.dtype == scene.dtype
        assert all(dtype in scene.radiometry.origin for dtype, _ in bands)
        images = SceneDataset(scene)
        np.testing.assert_allclose(images[images.grid.query(scene.window)]["image"], reflectance, rtol=1e-5)


@pytest.mark.parametrize("bands", [bands for bands, _ in CASES])
def test_a_quicklook_shows_bands_of_several_data_types(tmp_path, bands):
    with open_quicklook(scene_of(tmp_path, *bands), size=24) as look:
        assert look.overview.image.shape == (24, 24, 3)
        assert look.overview.valid.all()


def test_bands_without_a_scale_beside_bands_with_one_follow_their_data_type():
    dtypes = ["uint16", "uint16", "float32"]
    chosen = choose_radiometry(dtypes, [2e-5, 1, 1], [-0.2, 0, 0], {}, sample=lambda: np.full((3, 10), 0.5))
    assert chosen.scale == (2e-5, 1e-4, 1.0)
    assert chosen.offset == (-0.2, 0.0, 0.0)
    assert "uint16" in (chosen.warning or "")


def test_stated_scales_of_floats_need_no_assumption():
    chosen = choose_radiometry(["uint16", "float32"], [1e-4, 1], [-0.1, 0], {}, sample=lambda: np.full((2, 10), 0.5))
    assert (chosen.scale, chosen.offset, chosen.warning) == ((1e-4, 1.0), (-0.1, 0.0), None)
