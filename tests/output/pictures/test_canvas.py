import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize
from rasterio.transform import from_bounds
from shapely import affinity, box

from geoships.output.antimeridian import cut_at_antimeridian
from geoships.output.pictures.canvas import RADIUS, Canvas
from geoships.scene.georeference import Georeference
from geoships.scene.quicklook import Overview

SHIP = box(120, 60, 150, 80)  # column, row
NORTH_UP = Affine(10, 0, 500000, 0, -10, 6000000)


def overview(scene: Georeference) -> Overview:
    """A black scene with the ship in white."""
    mask = rasterize([SHIP], (scene.height, scene.width)).astype(bool)
    picture = np.where(mask[..., None], 255, 0).astype(np.uint8) * np.ones(3, np.uint8)
    return Overview(picture, np.ones(mask.shape, bool), (1.0, 1.0), 10.0)


def gcps(transform: Affine) -> tuple[GroundControlPoint, ...]:
    corners = ((0, 0), (200, 0), (0, 300), (200, 300))
    return tuple(GroundControlPoint(row, column, *(transform @ (column, row))) for row, column in corners)


@pytest.mark.parametrize(
    ("crs", "transform", "points"),
    [
        (32631, NORTH_UP, False),
        (32631, NORTH_UP @ Affine.rotation(30), False),
        (32631, Affine(10, 0, 500000, 0, 10, 6000000), False),  # south up
        (32631, NORTH_UP, True),
        (32760, Affine(10, 0, 820000, 0, -10, 8000000), False),  # about the antimeridian
        (4326, Affine(1e-4, 0, 179.99, 0, -1e-4, 10), False),  # beyond 180 degrees
        (3031, Affine(10, 0, 1500000, 0, -10, 2200000), False),
    ],
)
def test_outlines_lie_on_the_ships_of_the_picture(crs: int, transform: Affine, points: bool) -> None:
    place = {"gcps": gcps(transform)} if points else {"transform": transform}
    scene = Georeference(200, 300, crs=CRS(crs), **place)
    canvas = Canvas.of(scene)
    assert canvas.on_map
    picture, ((south, west), (north, east)) = canvas.render(overview(scene), 400)
    map_ship = affinity.affine_transform(SHIP, transform.to_shapely())
    to_lonlat = Transformer.from_crs(crs, 4326, always_xy=True)
    lonlat = shapely.transform(map_ship, lambda xy: np.column_stack(to_lonlat.transform(*xy.T)))
    for ship, ship_crs in ((map_ship, CRS(crs)), (cut_at_antimeridian(lonlat), CRS(4326))):
        (corners,) = canvas.project([ship], [SHIP], ship_crs)
        drawn = shapely.MultiPoint(corners[:, ::-1]).convex_hull
        assert drawn.within(box(west, south, east, north))
        x, y = (RADIUS * np.radians([west, east]), RADIUS * np.arctanh(np.sin(np.radians([south, north]))))
        in_metres = shapely.transform(
            drawn,
            lambda p: np.column_stack([RADIUS * np.radians(p[:, 0]), RADIUS * np.arctanh(np.sin(np.radians(p[:, 1])))]),
        )
        rows, columns, _ = picture.shape
        expected = rasterize([in_metres], (rows, columns), transform=from_bounds(x[0], y[0], x[1], y[1], columns, rows))
        seen = (picture[..., 0] > 127) & (picture[..., 3] > 127)
        assert (expected.astype(bool) & seen).sum() / (expected.astype(bool) | seen).sum() > 0.8


@pytest.mark.parametrize(
    "scene",
    [
        Georeference(200, 300),
        Georeference(200, 300, Affine(0.5, 0, 7, 0, -0.5, 9)),
        Georeference(200, 300, Affine(10, 0, -1500, 0, -10, 1000), CRS(3413)),  # over the pole
        Georeference(200, 400, Affine(0.9, 0, -180, 0, -0.5, 50), CRS(4326)),  # around the Earth
    ],
)
def test_scenes_that_no_map_holds_are_drawn_in_pixels(scene: Georeference) -> None:
    canvas = Canvas.of(scene)
    assert not canvas.on_map
    picture, bounds = canvas.render(overview(scene), 400)
    assert picture.shape == (scene.height, scene.width, 4)
    assert bounds == [[-scene.height, 0], [0, scene.width]]
    (corners,) = canvas.project([SHIP], [SHIP], None)
    assert corners.tolist() == [[-y, x] for x, y in shapely.get_coordinates(SHIP).tolist()]
    assert canvas.project([], [], None) == []
