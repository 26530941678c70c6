"""Warnings of what is likely wrong: a sensor, a model, a scene of clouds or without data, a picture without a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from fake_models import fake_bundle
from PIL import Image
from scenes import UTM, ship_scene

from geoships import predict

RGB = ("blue", "green", "red")


def warnings_of(scene: Any, **options: Any) -> str:
    settings = {"device": "cpu", "engine": "torch", "precision": "fp32", "min_area": 0, "tile_size": 96}
    return "\n".join(predict(scene, **{**settings, "model": fake_bundle(bands=RGB), **options}).warnings)


def scene(*reflectance: float, dtype: str = "uint16") -> dict[str, Any]:
    """Arguments of an RGB scene of one colour, as DN."""
    full = 255 if dtype == "uint8" else 1e4
    values = np.stack([np.full((120, 100), value * full, dtype) for value in reflectance])
    return {"scene": values, "bands": list(RGB), "transform": UTM, "crs": 32631}


@pytest.mark.parametrize(
    ("sensor", "reflectance", "text"),
    [
        ("planetscope-sr", 0.06, None),
        ("sentinel-2-l2a", 0.16, None),
        ("sentinel-2-l2a", 0.06, "100% of the reflectances are under -0.02 (down to -0.04)"),
        ("uint8", 0.06, "100% of the reflectances are over 2 (up to 2.35)"),
        ("reflectance", 0.06, "by the preset reflectance 100% of the reflectances are over 2 (up to 600), which no"),
    ],
)
def test_a_sensor_that_cannot_be_right(sensor: str, reflectance: float, text: str | None) -> None:
    found = warnings_of(**scene(reflectance, reflectance, reflectance), sensor=sensor)
    assert ("leave --sensor out" in found) == bool(text)
    assert (text or "") in found


def test_a_scale_that_cannot_be_right() -> None:
    assert "leave --scale out" in warnings_of(**scene(0.06, 0.06, 0.06), scale=0.01)
    assert "leave" not in warnings_of(**scene(0.06, 0.06, 0.06), scale=1e-4)


@pytest.mark.parametrize(
    ("pixel", "text"),
    [
        (10, None),
        (6, None),
        (29, None),
        (31, "pixels of 31 m are large for the model"),
        (1.2, "are small for the model"),
    ],
)
def test_a_model_far_from_its_pixel_sizes(pixel: float, text: str | None, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", transform=UTM @ Affine.scale(pixel / 10))
    found = warnings_of(tmp_path / "scene.tif", model=fake_bundle())
    assert ("for the model" in found) == bool(text)
    assert (text or "") in found


@pytest.mark.parametrize(
    ("reflectance", "dtype", "cloudy"),
    [
        ((0.55, 0.54, 0.56), "uint16", True),
        ((0.05, 0.06, 0.05), "uint16", False),
        ((0.32, 0.38, 0.45), "uint16", False),  # sand
        ((0.5, 0.5, 0.5), "uint8", False),  # a bright picture
        ((0.95, 0.95, 0.95), "uint8", True),
    ],
)
def test_a_scene_that_is_mostly_cloud(reflectance: tuple[float, ...], dtype: str, cloudy: bool) -> None:
    found = warnings_of(**scene(*reflectance, dtype=dtype), scale=1e-4 if dtype == "uint16" else 1 / 255)
    assert ("100% of the scene looks like clouds" in found) == cloudy


def test_a_scene_that_is_mostly_without_data(tmp_path: Path) -> None:
    ship_scene(tmp_path / "most.tif", nodata_columns=150)
    ship_scene(tmp_path / "some.tif", nodata_columns=90)
    quarter = shapely.box(501600, 3998200, 502000, 4000000)
    assert "only 25.0% of what is searched has data" in warnings_of(tmp_path / "most.tif", model=fake_bundle())
    assert "has data" not in warnings_of(tmp_path / "some.tif", model=fake_bundle())
    assert "has data" not in warnings_of(tmp_path / "most.tif", model=fake_bundle(), area=quarter)


@pytest.mark.parametrize(("name", "hinted"), [("scene.png", True), ("scene.jpg", True), ("scene.tif", False)])
def test_a_picture_without_a_place_gets_a_hint(name: str, hinted: bool, tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 120, 3), 60, "uint8")).save(tmp_path / name)
    found = warnings_of(tmp_path / name)
    assert "give --gsd if that is wrong" in found
    assert ("--gsd 3 for the scenes of Kaggle's Ships in Satellite Imagery" in found) == hinted
    assert "pixel size is not known" not in warnings_of(tmp_path / name, gsd=3)
