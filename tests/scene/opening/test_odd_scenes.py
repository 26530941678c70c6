"""Odd scenes: refused in one line, or read with a warning."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from geoships import SceneError
from geoships.scene.describe import describe_scene
from geoships.scene.reader import open_scene

VRT = """<VRTDataset rasterXSize="6" rasterYSize="8">{srs}<GeoTransform>{transform}</GeoTransform>
<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>
<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""


NO_PLACES = ("0, 0, 0, 0, 0, 0", "5, 0, 0, 5, 0, 0", "nan, 10, 0, nan, 0, -10", "0, inf, 0, 0, 0, -1")

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # on writing


def refused(path: Path) -> str:
    with pytest.raises(SceneError) as error:
        describe_scene(path)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("transform", NO_PLACES)
def test_a_geotransform_of_zeros_or_without_numbers_is_refused(transform: str, write, tmp_path: Path) -> None:
    write("a.tif", np.ones((1, 8, 6), np.uint8))
    (tmp_path / "scene.vrt").write_text(VRT.format(srs="<SRS>EPSG:32633</SRS>", transform=transform))

    assert "geotransform" in refused(tmp_path / "scene.vrt")


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_000, 0, -10, 4_100_000),
        Affine(10, 0, -2_000_000, 0, 10, -300_000),
        Affine(0.01, 0, 10, 0, -0.01, 95),
    ],
    ids=["utm", "south-up", "latitude"],
)
def test_degrees_that_are_metres_are_refused(transform: Affine, write) -> None:
    path = write("a.tif", np.ones((1, 80, 60), np.uint8), crs="EPSG:4326", transform=transform)

    assert "look like metres" in refused(path)


def test_control_points_in_degrees_that_are_metres_are_refused(write) -> None:
    points = [GroundControlPoint(row, column, 5e5 + column, 4e6 - row) for row in (0, 8) for column in (0, 6)]
    path = write("a.tif", np.ones((1, 8, 6), np.uint8), transform=None, crs=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = (points, rasterio.CRS.from_epsg(4326))

    assert "look like metres" in refused(path)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(1, 0, -180.5, 0, -1, 90.5),
        Affine(0.25, 0, 0, 0, -0.25, 90.125),
        Affine(0.01, 0, 179.9, 0, -0.01, 60),
        Affine(0.01, 0, -190, 0, -0.01, 60),
    ],
    ids=["global by centres", "from 0 to 360", "over 180", "below -180"],
)
def test_degrees_at_the_edges_of_the_world_are_read(transform: Affine, write) -> None:
    size = math.ceil(181 / transform.a) if transform.a > 0.1 else 50
    path = write("a.tif", np.ones((1, size, size), np.uint8), crs="EPSG:4326", transform=transform)

    assert "CRS" in describe_scene(path)


def test_a_scene_without_any_georeference_is_read_in_pixels(write) -> None:
    path = write("a.png", np.ones((1, 8, 6), np.uint8), driver="PNG")

    assert "none" in str(describe_scene(path)["CRS"])


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").symlink_to(tmp_path / "b.tif")
    (tmp_path / "b.tif").symlink_to(tmp_path / "a.tif")

    assert "a.tif" in refused(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("name", "profile", "said"),
    [
        ("scene.tif", {"driver": "JPEG"}, True),
        ("scene.jpg", {"driver": "JPEG"}, True),
        ("scene.tif", {"compress": "jpeg"}, True),
        ("scene.tif", {"compress": "deflate"}, False),
    ],
)
def test_jpeg_is_read_with_a_warning_whatever_its_name(name: str, profile: dict[str, str], said: bool, write) -> None:
    values = np.random.default_rng(0).integers(0, 255, (1, 64, 64), np.uint8)
    with open_scene(write(name, values, **profile), ["red"]) as scene:
        assert any("JPEG" in text for text in scene.warnings) == said
