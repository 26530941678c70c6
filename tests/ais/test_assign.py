"""The assignment of vessels to ships."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from geoships.ais.assign import Pairs, Vessels, assign, make_pairs
from geoships.ais.motion import Predicted
from geoships.ais.ships import Ships

PER_DEGREE = 111_195.0


def pairs(costs: np.ndarray) -> Pairs:
    ship, vessel = np.nonzero(np.isfinite(costs))
    nothing = np.zeros(len(ship))
    return Pairs(ship, vessel, nothing, nothing, costs[ship, vessel])


@given(st.integers(1, 7), st.integers(1, 7), st.randoms(use_true_random=False))
def test_the_costs_sum_to_the_least(ships: int, vessels: int, random) -> None:
    costs = np.array([[random.choice([np.inf, random.uniform(-9, 3)]) for _ in range(vessels)] for _ in range(ships)])
    found = assign(pairs(costs), ships, vessels)
    rows, columns = linear_sum_assignment(np.minimum(costs, 0))
    chosen = found.pair[found.pair >= 0]
    every = pairs(costs)
    assert every.cost[chosen].sum() == pytest.approx(np.minimum(costs, 0)[rows, columns].sum())
    assert len(set(every.vessel[chosen])) == len(chosen)
    assert (every.cost[chosen] < 0).all()


def test_confidence_is_low_where_two_vessels_fit_alike() -> None:
    alone = assign(pairs(np.array([[-6.0]])), 1, 1)
    two = assign(pairs(np.array([[-6.0, -5.9]])), 1, 2)
    assert alone.confidence[0] > 0.99
    assert 0.45 < two.confidence[0] < 0.55


def scene(lon, lat, length=100.0, heading=0.0, time=0.0) -> Ships:
    count = len(lon)
    full = [np.full(count, value) for value in (length, length / 6, heading, time, 1.0)]
    return Ships(np.array(lon), np.array(lat), *full, np.full(count, "s", object), 10.0)


def vessels(lon, lat, velocity=(0.0, 0.0), length=100.0, error=20.0, heading=np.nan, bow=np.nan) -> Vessels:
    count = len(lon)

    def full(value: float) -> np.ndarray:
        return np.full(count, float(value))

    places = Predicted(
        np.arange(count), np.array(lon), np.array(lat), np.tile(velocity, (count, 1)).astype(float),
        full(error), full(heading), full(0),
    )  # fmt: skip
    return Vessels(places, full(length), full(bow), full(length - bow))


def test_a_clock_that_is_off_moves_a_vessel_along_its_course_only() -> None:
    ahead, beside = (10.0, 56 + 300 / PER_DEGREE), (10 + 300 / PER_DEGREE / np.cos(np.radians(56)), 56.0)
    for (lon, lat), fits in ((ahead, True), (beside, False)):
        found = make_pairs(scene([lon], [lat]), np.array([0]), vessels([10.0], [56.0], (0, 10)), 0.0, 15.0)
        assert bool(len(found.cost)) == fits


def test_each_ship_is_compared_at_its_own_time() -> None:
    later = scene([10.0], [56 + 200 / PER_DEGREE], time=20.0)
    found = make_pairs(later, np.array([0]), vessels([10.0], [56.0], (0, 10)), 0.0, 1.0)
    assert found.distance[0] < 2


def test_size_and_heading_decide_between_vessels_that_lie_alike() -> None:
    ships, index = scene([10.0], [56.0], length=200, heading=90), np.array([0])
    cost = {
        (length, heading): make_pairs(
            ships, index, vessels([10.0], [56.0003], length=length, heading=heading), 0.0, 1.0
        ).cost[0]
        for length, heading in ((200, 270), (60, 270), (200, 0))
    }
    assert cost[200, 270] < min(cost[60, 270], cost[200, 0]) - 2


def test_the_antenna_is_not_the_middle() -> None:
    north = 56 + 100 / PER_DEGREE  # the antenna is astern, the bow points north
    found = make_pairs(
        scene([10.0], [north], length=300), np.array([0]),
        vessels([10.0], [56.0], length=300, heading=0, bow=250), 0.0, 1.0,
    )  # fmt: skip
    assert found.distance[0] < 1


def test_across_the_antimeridian() -> None:
    found = make_pairs(scene([-179.9999], [10.0]), np.array([0]), vessels([179.9999], [10.0]), 0.0, 1.0)
    assert found.distance[0] == pytest.approx(0.0002 * PER_DEGREE * np.cos(np.radians(10)), rel=0.02)
