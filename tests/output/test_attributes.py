from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Geod, Transformer
from rasterio.control import GroundControlPoint
from shapely import MultiPolygon, Polygon, box, union_all
from shapely.affinity import rotate, translate

from geoships.output.attributes import NO_MARGIN, Margin, Measures, measure_all
from geoships.scene.georeference import Georeference

GEOD = Geod(ellps="WGS84")


def rectangle_on_earth(lon: float, lat: float, length: float, width: float, heading: float) -> np.ndarray:
    """Corners (4, 2) in degrees of a rectangle in metres around a point, placed by geodesics."""
    half_diagonal = math.hypot(length, width) / 2
    angle = math.degrees(math.atan2(width, length))
    azimuths = [heading + angle, heading + 180 - angle, heading + 180 + angle, heading - angle]
    lons, lats, _ = GEOD.fwd([lon] * 4, [lat] * 4, azimuths, [half_diagonal] * 4)
    return np.column_stack((lons, lats))


def to_pixels(lonlat: np.ndarray, scene: Georeference, unwrap: bool) -> Polygon:
    lon, lat = lonlat.T
    if unwrap:
        lon = lon % 360
    x, y = Transformer.from_crs(4326, scene.crs, always_xy=True).transform(lon, lat)
    pixels = np.linalg.inv(np.reshape(scene.transform, (3, 3))) @ [x, y, np.ones(len(x))]
    return Polygon(pixels[:2].T)


def measure(polygon: Polygon | MultiPolygon, scene: Georeference, margin: Margin = NO_MARGIN) -> Measures:
    (measures,) = measure_all([polygon], scene, margin)
    return measures


Pixel = tuple[float, float, float, float]  # on the map: (x, x, y, y) of a step along (a row, a column, a row, a column)


def scene_around(epsg: int, lon: float, lat: float, pixel: Pixel) -> Georeference:
    """A scene whose upper left corner is at a place, with the given steps from pixel to pixel in units of its CRS."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    a, b, d, e = pixel
    return Georeference(1000, 1000, Affine(a, b, x, d, e, y), CRS.from_epsg(epsg))


def rotated(size: float, angle: float) -> Pixel:
    sin, cos = size * math.sin(math.radians(angle)), size * math.cos(math.radians(angle))
    return cos, sin, sin, -cos


NORTH_UP = (10.0, 0.0, 0.0, -10.0)
SOUTH_UP = (10.0, 0.0, 0.0, 10.0)
SHEARED = (7.0, -4.0, 0.6, -12.0)
DEGREES = (1e-4, 0.0, 0.0, -1e-4)

SCENES = {
    "utm north": (32632, 9.4, 54.3, NORTH_UP),
    "utm at the edge of its zone": (32632, 11.9, 60.0, NORTH_UP),
    "utm south": (32756, 151.3, -33.9, NORTH_UP),
    "utm south-up": (32632, 6.2, 43.1, SOUTH_UP),
    "utm rotated": (32632, 9.4, 54.3, rotated(10, 33)),
    "utm sheared": (32756, 151.3, -33.9, SHEARED),
    "geographic": (4326, -5.4, 36.1, DEGREES),
    "geographic rotated": (4326, 5.0, 61.0, rotated(1e-4, -20)),
    "geographic at high latitude": (4326, 15.6, 78.2, DEGREES),
    "geographic south-up": (4326, 4.0, 52.0, (1e-4, 0.0, 0.0, 1e-4)),
    "web mercator": (3857, 24.9, 60.1, NORTH_UP),
    "web mercator at the equator": (3857, 104.0, 0.01, NORTH_UP),
    "polar stereographic": (3413, -45.0, 83.0, NORTH_UP),
    "utm zone 1 on the antimeridian": (32601, 180.0, 52.0, NORTH_UP),
    "utm zone 60 on the antimeridian": (32760, 180.0, -18.0, NORTH_UP),
    "pacific mercator on the antimeridian": (3832, 180.0, -17.0, NORTH_UP),
    "geographic on the antimeridian": (4326, 180.0, 52.0, DEGREES),
}


@pytest.mark.parametrize("heading", [0.0, 30.0, 90.0, 135.5, 179.0])
@pytest.mark.parametrize("name", SCENES)
def test_a_rectangle_has_the_measures_it_was_laid_out_with(name: str, heading: float) -> None:
    epsg, lon, lat, pixel = SCENES[name]
    scene = scene_around(epsg, lon, lat, pixel)
    unwrap = epsg == 4326 and lon == 180  # longitudes beyond 180, as such rasters have them
    measures = measure(to_pixels(rectangle_on_earth(lon, lat, 240, 32, heading), scene, unwrap), scene)
    assert measures.length_m == pytest.approx(240, rel=1e-3)
    assert measures.width_m == pytest.approx(32, rel=1e-3)
    assert measures.area_m2 == pytest.approx(240 * 32, rel=1e-3)
    assert measures.heading_deg is not None and measures.lon is not None
    assert 0 <= measures.heading_deg < 180
    assert abs((measures.heading_deg - heading + 90) % 180 - 90) < 0.2
    assert abs((measures.lon - lon + 180) % 360 - 180) < 1e-5
    assert -180 <= measures.lon < 180
    assert measures.lat == pytest.approx(lat, abs=1e-5)


def test_a_scene_with_control_points_only() -> None:
    # Control points of a grid that is turned by a quarter: columns go south, rows go east.
    def place(column: float, row: float) -> tuple[float, float]:
        return 10 + row * 1e-4, 50 - column * 1e-4

    points = tuple(
        GroundControlPoint(row=row, col=column, x=place(column, row)[0], y=place(column, row)[1])
        for column in (0, 500, 1000)
        for row in (0, 500, 1000)
    )
    scene = Georeference(1000, 1000, crs=CRS.from_epsg(4326), gcps=points)
    measures = measure(box(490, 498, 510, 502), scene)
    _, _, length = GEOD.inv(*place(490, 500), *place(510, 500))
    _, _, width = GEOD.inv(*place(500, 498), *place(500, 502))
    assert measures.length_m == pytest.approx(length, rel=1e-3)
    assert measures.width_m == pytest.approx(width, rel=1e-3)
    assert measures.heading_deg == pytest.approx(0, abs=0.01)
    assert (measures.lon, measures.lat) == pytest.approx((10.05, 49.95), abs=1e-6)


def test_a_margin_comes_off_both_sides_down_to_a_least() -> None:
    polygon, margin = box(0, 0, 20, 3), Margin(28, 10)
    whole, less = measure(polygon, UTM), measure(polygon, UTM, margin)
    assert whole.length_m is not None and less.length_m == pytest.approx(whole.length_m - 28)
    assert (less.width_m, less.area_m2, less.heading_deg) == (10, whole.area_m2, whole.heading_deg)
    pixel = measure(box(0, 0, 0.5, 0.5), UTM, margin)  # less than the least before
    assert pixel == measure(box(0, 0, 0.5, 0.5), UTM)


@pytest.mark.parametrize("heading", [15, 30, 60, 105, 160])
def test_the_heading_of_a_small_ship_of_pixels(heading: float) -> None:
    hull = rotate(box(-1.5, -5, 1.5, 5), heading)  # three by ten pixels; rows go down, so this is clockwise
    pixels = [box(x, y, x + 1, y + 1) for x in range(-8, 8) for y in range(-8, 8)]
    mask = union_all([pixel for pixel in pixels if hull.contains(pixel.centroid)])
    found = measure(translate(mask, 500, 500), UTM).heading_deg
    assert found is not None and abs((found - heading + 90) % 180 - 90) < 4


UTM = scene_around(32632, 9.0, 54.0, NORTH_UP)  # on its central meridian, where grid north is true north


def test_holes_and_parts_count_for_the_area() -> None:
    scale = 0.9996**2
    ring = Polygon(box(0, 0, 10, 10).exterior, [box(3, 3, 5, 6).exterior])
    assert measure(ring, UTM).area_m2 == pytest.approx(9400 / scale, rel=1e-4)
    assert measure(Polygon(ring.exterior.reverse(), ring.interiors), UTM) == measure(ring, UTM)
    pair = MultiPolygon([box(0, 0, 1, 1), box(1, 1, 2, 2)])
    measures = measure(pair, UTM)
    assert measures.area_m2 == pytest.approx(200 / scale, rel=1e-4)
    assert measures.length_m == pytest.approx(20 * math.sqrt(2) / 0.9996, rel=1e-4)
    assert measures.heading_deg == pytest.approx(135, abs=0.01)


@pytest.mark.parametrize("crs", [32632, 3857, 4326])
def test_one_pixel_points_north(crs: int) -> None:
    size = 10 if crs != 4326 else 1e-4
    scene = scene_around(crs, 9.0, 0.0, (size, 0, 0, -size))
    measures = measure(box(0, 0, 1, 1), scene)
    assert measures.heading_deg == pytest.approx(0, abs=1e-3)
    assert measures.length_m == pytest.approx(measures.width_m, rel=0.01)


def test_the_heading_of_a_square_is_its_side_closest_to_north() -> None:
    # Rows go down, so a positive turn in pixel coordinates is clockwise on the map.
    for turn, heading in ((20, 20), (-20, 160), (70, 160), (110, 20)):
        square = rotate(box(0, 0, 8, 8), turn)
        assert measure(square, UTM).heading_deg == pytest.approx(heading, abs=0.01)


@pytest.mark.parametrize(
    "scene",
    [
        Georeference(10, 10),
        Georeference(10, 10, Affine.scale(10, -10)),
        Georeference(10, 10, crs=CRS.from_epsg(4326)),
        Georeference(10, 10, Affine.scale(1), CRS.from_wkt('LOCAL_CS["ground",UNIT["metre",1]]')),
        Georeference(10, 10, Affine(10, 0, 1e9, 0, 10, 1e9), CRS.from_epsg(32632)),
    ],
    ids=["nothing", "no CRS", "no transform", "local CRS", "off the projection"],
)
def test_no_place_no_measures(scene: Georeference) -> None:
    assert measure(box(0, 0, 2, 1), scene) == Measures()


def test_many_are_measured_as_each_alone() -> None:
    scene = scene_around(32632, 9.4, 54.3, NORTH_UP)
    ring = Polygon(box(0, 0, 10, 10).exterior, [box(3, 3, 5, 6).exterior])
    pair = MultiPolygon([ring, box(20, 10, 23, 12)])
    polygons = [rotate(box(5, 5, 25, 9), 20), pair, box(0, 0, 1, 1), translate(ring, 1e9, 0), translate(pair, 300, 40)]
    together = measure_all(polygons, scene, Margin(28, 10))
    assert together == [measure(polygon, scene, Margin(28, 10)) for polygon in polygons]
    assert together[3] == Measures()  # off the projection
    assert None not in [measures.area_m2 for measures in together[:3]]
    assert measure_all([], scene) == []
