from __future__ import annotations

import warnings

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from geoships.scene.georeference import Georeference, georeference_of

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
