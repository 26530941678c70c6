"""Measures of outlines that people draw."""

import math

import pytest

from geoships.service.features import Ships, reviewed
from geoships.service.jobs import Correction, Verdict
from geoships.service.outlines import measures_of

METRE = 1 / 111_194.9  # degrees of latitude, of a sphere


def rectangle(lon: float, lat: float, east: float, north: float) -> dict[str, object]:
    """A rectangle of so many metres around a place."""
    x, y = 0.5 * east * METRE / math.cos(math.radians(lat)), 0.5 * north * METRE
    ring = [[lon - x, lat - y], [lon + x, lat - y], [lon + x, lat + y], [lon - x, lat + y], [lon - x, lat - y]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.mark.parametrize(("lon", "lat"), [(3.1, 1.0), (-157.9, 21.3), (20.0, 65.0), (179.999, -40.0)])
def test_an_outline_is_measured_on_the_ground(lon: float, lat: float) -> None:
    found = measures_of(rectangle(lon, lat, 30, 200))
    assert found["length_m"] == pytest.approx(200, rel=0.01)
    assert found["width_m"] == pytest.approx(30, rel=0.01)
    assert found["area_m2"] == pytest.approx(6000, rel=0.02)
    assert min(found["heading_deg"] or 0, 180 - (found["heading_deg"] or 0)) < 0.01
    assert (found["lon"], found["lat"]) == (pytest.approx(lon), pytest.approx(lat))


def test_reviewed_ships_have_the_measures_of_their_outlines() -> None:
    properties = {"id": 1, "score": 0.9, "length_m": 50.0, "lon": 0.0}
    ships = Ships([{"type": "Feature", "id": 1, "properties": properties, "geometry": rectangle(0, 0, 20, 50)}])
    said = [
        Correction("1", None, rectangle(1, 1, 100, 20), "", 0),
        Correction("drawn-1", Verdict.drawn, rectangle(2, 2, 20, 80), "", 0),
    ]
    one, two = (each["properties"] for each in reviewed(ships, said).features)
    assert (round(one["length_m"]), round(one["lon"], 3), one["score"]) == (100, 1.0, 0.9)
    assert round(one["heading_deg"]) == 90
    assert (round(two["length_m"]), two["score"], two["verdict"]) == (80, None, "drawn")
    assert properties["length_m"] == 50.0
