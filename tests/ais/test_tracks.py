"""Tracks, and where vessels were between their reports."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoships.ais.motion import POSITION_ERROR, predict_places
from geoships.ais.tracks import Fixes, make_tracks, none
from geoships.scene.georeference import WGS84


def fixes(t, lon, lat, speed=np.nan, course=np.nan, mmsi=219000001) -> Fixes:
    t = np.asarray(t, float)
    full = [np.broadcast_to(np.asarray(values, float), t.shape) for values in (lon, lat, speed, course, np.nan)]
    return Fixes(np.full(len(t), mmsi), t, *full)


def sailing(times, lon: float, lat: float, course: float, speed: float) -> Fixes:
    """A vessel on a great circle."""
    far = [WGS84.fwd(lon, lat, course, speed * t) for t in times]
    lons, lats, backs = np.array(far).T
    return fixes(times, lons, lats, speed, (backs + 180) % 360)


@given(
    st.floats(-180, 180), st.floats(-85, 85), st.floats(0, 360), st.floats(1, 15), st.floats(10, 3600), st.floats(0, 1)
)
def test_a_vessel_on_a_great_circle_is_found_on_it(lon, lat, course, speed, span, share) -> None:
    found = predict_places(make_tracks(sailing([0, span], lon, lat, course, speed)), share * span, 3600)
    true = WGS84.fwd(lon, lat, course, speed * share * span)
    assert WGS84.inv(found.lon[0], found.lat[0], true[0], true[1])[2] < 1.0
    assert found.speed[0] == pytest.approx(speed, rel=1e-3)
    course_there = (true[2] + 180) % 360
    direction = np.degrees(np.arctan2(*found.velocity[0]))
    assert abs((direction - course_there + 180) % 360 - 180) < 0.1


def test_after_its_last_report_a_vessel_goes_on_and_becomes_less_certain() -> None:
    tracks = make_tracks(sailing([0, 60], 10, 56, 45, 8))
    places = [predict_places(tracks, 60 + late, 3600) for late in (0, 60, 600, 1800)]
    ways = [WGS84.inv(10, 56, p.lon[0], p.lat[0])[2] for p in places]
    assert ways == pytest.approx([480, 960, 5280, 14880], abs=1)
    errors = [float(p.error[0]) for p in places]
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(POSITION_ERROR)
    assert 500 < errors[2] < 1000
    assert not len(predict_places(tracks, 60 + 3601, 3600).lon)


def test_between_two_reports_the_error_is_least_near_them_and_grows_with_the_gap() -> None:
    def error(gap: float, share: float) -> float:
        return float(predict_places(make_tracks(sailing([0, gap], 10, 56, 0, 8)), share * gap, 7200).error[0])

    assert error(600, 0.01) < error(600, 0.5) > error(600, 0.99)
    assert error(60, 0.5) < error(600, 0.5) < error(3600, 0.5) < 2000
    # reports that disagree: speed and course say that the vessel sailed away, its position that it did not
    turned = fixes([0, 1800], [10, 10], [56, 56], 8, 0)
    assert float(predict_places(make_tracks(turned), 900, 3600).error[0]) > 2 * error(1800, 0.5)


def test_a_moored_vessel_stays_where_it_is() -> None:
    found = predict_places(make_tracks(fixes([0, 3600], 10, 56, 0.0)), 1800, 3600)
    assert (found.lon[0], found.lat[0]) == pytest.approx((10, 56))
    assert found.error[0] < 200


def test_positions_without_speed_and_course_are_joined_by_a_line() -> None:
    found = predict_places(make_tracks(fixes([0, 600], [10, 10], [56, 56.04])), 300, 3600)
    assert found.lat[0] == pytest.approx(56.02, abs=1e-4)


def test_no_tracks_have_no_places() -> None:
    assert not len(predict_places(none(), 0, 3600).lon)
    assert not len(make_tracks(none().fixes).mmsi)


def test_positions_that_jump_are_left_out() -> None:
    t = np.arange(0, 3600, 60.0)
    lon = 10 + t * 1e-4
    lon[[7, 30]] = (11.5, 9.0)
    tracks = make_tracks(fixes(t, lon, 56.0))
    assert (len(tracks.mmsi), tracks.jumps, tracks.shared.tolist()) == (1, 2, [False])
    assert tracks.fixes.lon == pytest.approx(np.delete(lon, [7, 30]))


def test_vessels_that_share_a_number_are_told_apart() -> None:
    t = np.arange(0, 3600, 60.0)
    lon = np.where(np.arange(len(t)) % 2, 10.0, 14.0) + t * 1e-5
    tracks = make_tracks(fixes(t, lon, 56.0))
    assert (tracks.mmsi.tolist(), tracks.shared.tolist(), tracks.jumps) == ([219000001] * 2, [True, True], 0)
    places = predict_places(tracks, 1800, 3600)
    assert sorted(places.lon.round(1)) == [10.0, 14.0]
