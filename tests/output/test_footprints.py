"""Footprints of STAC Items around poles and across the antimeridian."""

import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoships.output.antimeridian import cut_at_antimeridian, cut_continuous
from geoships.output.stac_item import _bbox, _footprint
from geoships.scene.georeference import Georeference


def square(crs: int, left: float, top: float, side: float, size: int = 100) -> Georeference:
    return Georeference(size, size, Affine(side / size, 0, left, 0, -side / size, top), CRS(crs))


@pytest.mark.parametrize("crs", [3413, 3995, 5041, 3031, 3976, 5042])
@pytest.mark.parametrize(("left", "top", "side"), [(-1280, 1280, 2560), (-1e6, 2e6, 3e6), (-10, 500_000, 1e6)])
def test_a_footprint_over_a_pole_holds_it_and_all_longitudes(crs: int, left: float, top: float, side: float) -> None:
    false_easting = 2e6 if crs in (5041, 5042) else 0
    footprint = _footprint(square(crs, left + false_easting, top + false_easting, side))
    assert footprint is not None
    west, south, east, north = _bbox(footprint)
    pole = -90 if crs in (3031, 3976, 5042) else 90
    assert footprint.is_valid
    assert (west, east) == (-180, 180)
    assert (south if pole < 0 else north) == pole
    for lon in range(-180, 181, 30):
        assert footprint.buffer(1e-9).covers(shapely.Point(lon, pole))


@pytest.mark.parametrize(("left", "top"), [(0, 0), (-1000, 0), (0, 1000), (-1000, 1000)])
def test_a_footprint_with_the_pole_in_a_corner_spans_a_quarter(left: float, top: float) -> None:
    footprint = _footprint(square(3995, left, top, 1000))
    assert footprint is not None
    assert footprint.is_valid
    west, _, east, north = _bbox(footprint)
    assert north == 90
    assert (east - west) % 360 == pytest.approx(90, abs=0.01)


def test_a_footprint_beside_a_pole_does_not_hold_it() -> None:
    footprint = _footprint(square(3413, 100_000, 600_000, 500_000))
    assert footprint is not None
    assert not footprint.buffer(1e-3).covers(shapely.Point(0, 90))
    assert _bbox(footprint)[3] < 90


@pytest.mark.parametrize(
    ("place", "bbox"),
    [
        (square(4326, -180, 90, 180), [-180, -90, 0, 90]),
        (Georeference(180, 360, Affine(1, 0, -180, 0, -1, 90), CRS(4326)), [-180, -90, 180, 90]),
        (Georeference(180, 360, Affine(1, 0, 0, 0, -1, 90), CRS(4326)), [-180, -90, 180, 90]),
        (square(4326, 179, 10, 2), [179, 8, -179, 10]),
        (square(4326, 189, 10, 2), [-171, 8, -169, 10]),
        (square(4326, 80, 10, 200), None),
    ],
)
def test_footprints_in_degrees(place: Georeference, bbox: list[float] | None) -> None:
    footprint = _footprint(place)
    if bbox is None:  # rows beyond the pole
        assert footprint is None or footprint.is_valid
        return
    assert footprint is not None
    assert footprint.is_valid
    assert _bbox(footprint) == pytest.approx(bbox, abs=1e-6)


def test_cuts_join_what_touches() -> None:
    assert cut_continuous(shapely.box(-270, 80, 90, 90)).geom_type == "Polygon"
    assert cut_at_antimeridian(shapely.box(179, 0, 181, 1)).geom_type == "MultiPolygon"
