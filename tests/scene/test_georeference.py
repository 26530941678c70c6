from __future__ import annotations

import pickle
import re
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.rpc import RPC

from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.reader import open_scene

GRID = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4100000.0)
POINTS = [
    GroundControlPoint(0, 0, 13.0, 38.0),
    GroundControlPoint(0, 6, 13.1, 38.0),
    GroundControlPoint(8, 0, 13.0, 37.9),
    GroundControlPoint(8, 6, 13.1, 37.9),
]


def georeference(**profile) -> Georeference:
    shape = {"driver": "GTiff", "count": 1, "height": 8, "width": 6, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile() as memory:
            with memory.open(**shape, **profile) as dataset:
                dataset.write(np.zeros((1, 8, 6), np.uint8))
            with memory.open() as dataset:
                return georeference_of(dataset)


def test_a_placed_scene():
    found = georeference(crs="EPSG:32633", transform=GRID)
    assert found == Georeference(8, 6, GRID, CRS.from_epsg(32633))
    assert found.placed


def test_no_georeference():
    assert georeference() == Georeference(8, 6)


def test_a_transform_without_a_crs_is_kept_and_not_placed():
    found = georeference(transform=GRID)
    assert found.transform == GRID
    assert not found.placed


def test_a_crs_without_a_transform_is_not_placed():
    found = georeference(crs="EPSG:32633")
    assert found.transform is None
    assert not found.placed


def test_a_local_crs_is_not_placed():
    found = georeference(crs=rasterio.CRS.from_wkt('LOCAL_CS["deck",UNIT["metre",1]]'), transform=GRID)
    assert found.crs is None
    assert found.transform == GRID


def test_ground_control_points_alone():
    found = georeference(gcps=POINTS, crs="EPSG:4326")
    assert found.transform is None
    assert len(found.gcps) == 4
    assert found.placed
    lon, lat = found.to_lonlat([3.0], [4.0])
    np.testing.assert_allclose([lon[0], lat[0]], [13.05, 37.95], atol=1e-6)


def _bent(bend: float, size: int = 256) -> tuple[GroundControlPoint, ...]:
    """25 points of a grid of 10 m pixels, bent by up to so many metres."""
    places = np.linspace(0, size, 5)
    return tuple(
        GroundControlPoint(
            row, column, 400000 + 10 * column + bend * np.sin(column / 20) * np.sin(row / 30), 5000000 - 10 * row
        )
        for row in places
        for column in places
    )


def test_points_that_no_polynomial_fits_are_met_by_a_spline():
    points = _bent(200)
    place = Georeference(256, 256, None, CRS.from_epsg(32633), points)
    x, y = place.to_map([p.col for p in points], [p.row for p in points])
    np.testing.assert_allclose(x, [p.x for p in points], atol=1)
    np.testing.assert_allclose(y, [p.y for p in points], atol=1)
    columns, rows = place.to_pixel([p.x for p in points], [p.y for p in points])
    np.testing.assert_allclose(columns, [p.col for p in points], atol=0.1)
    np.testing.assert_allclose(rows, [p.row for p in points], atol=0.1)
    assert pickle.loads(pickle.dumps(place)).to_map(3, 4) == place.to_map(3, 4)  # in another process
    assert place.bent
    assert re.search(r"25 ground control points \(misfit up to \d{2,3} m\)", place.warning or "")


@pytest.mark.parametrize("bend", [0.0, 4.0])
def test_points_that_a_polynomial_fits_give_no_warning(bend):
    place = Georeference(256, 256, None, CRS.from_epsg(32633), _bent(bend))
    assert not place.bent
    assert place.warning is None


def test_bent_points_in_degrees_are_told_in_metres():
    points = tuple(GroundControlPoint(p.row, p.col, 5 + p.x / 1e7, 50 + p.y / 1e7) for p in _bent(200))
    place = Georeference(256, 256, None, CRS.from_epsg(4326), points)
    assert place.bent
    assert "misfit up to" in (place.warning or "")


def test_rpcs_are_named_as_not_used(tmp_path):
    coefficients = [1.0, *[0.0] * 19]
    rpcs = RPC(
        0, 1, 50, 1, coefficients, [0.0, 0.0, 1.0, *[0.0] * 17], 32, 32, 5, 1, coefficients, [0.0, 1.0, *[0.0] * 18],
        32, 32,
    )  # fmt: skip
    path = tmp_path / "s.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", height=64, width=64, count=1, dtype="uint16", rpcs=rpcs) as file:
            file.write(np.full((1, 64, 64), 500, "uint16"))
            file.descriptions = ("red",)
    with open_scene(str(path), ["red"]) as scene:
        assert any("RPCs" in text and "gdalwarp" in text for text in scene.warnings)
