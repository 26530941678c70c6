"""Assigns vessels to ships: one to one, over all pairs at once, at the least cost in standard deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from geoships.ais.motion import Predicted
from geoships.ais.ships import Index, Ships
from geoships.ais.tracks import Floats, unit_vectors
from geoships.scene.georeference import WGS84

FARTHEST = 4.0  # standard deviations between a ship and a vessel
WORST = 16.0  # the highest square of the deviations of length and of heading: sizes that vessels send are often wrong
SILENT_SHARE = 0.1  # of ships that may well not broadcast, before anything is known
AROUND = 10_000.0  # metres within which other ships are counted
HEADING_ERROR, ASPECT_ERROR = 8.0, 60.0  # degrees: of long ships, and what is added for short wide ones
LENGTH_ERROR = 5.0  # metres, of a length that a vessel sends
ANTENNA = 0.2  # share of a vessel's length by which its antenna may be off its middle, where that is not sent
UNKNOWN_LENGTH = 50.0  # metres
EARTH = 6_371_000.0


@dataclass(frozen=True)
class Vessels:
    """What vessels are at a moment; all (vessels,), not available is NaN.

    Attributes:
        places: Where they are.
        length: Metres.
        bow: Metres from the antenna to the bow.
        stern: Metres from the antenna to the stern.
    """

    places: Predicted
    length: Floats
    bow: Floats
    stern: Floats

    @property
    def offset(self) -> Floats:
        """(vessels, 2) east and north in metres from the antenna to the middle; 0 where it is not known."""
        ahead = np.nan_to_num((self.bow - self.stern) / 2 * np.isfinite(self.places.heading))
        heading = np.radians(np.nan_to_num(self.places.heading))
        return np.column_stack((ahead * np.sin(heading), ahead * np.cos(heading)))

    @property
    def error(self) -> Floats:
        """Standard deviation of the place of the middle in any direction, in metres."""
        known = np.isfinite(self.bow) & np.isfinite(self.places.heading)
        length = np.where(np.isfinite(self.length), self.length, UNKNOWN_LENGTH)
        return np.hypot(self.places.error, np.where(known, 0, ANTENNA * length))


@dataclass(frozen=True)
class Pairs:
    """Ships and vessels that may be the same; all (pairs,).

    Attributes:
        ship: Index of the ship.
        vessel: Index of the vessel.
        distance: Metres.
        deviations: Distance in standard deviations.
        cost: Negative logarithm of how much likelier the pair is than a ship that does not broadcast.
    """

    ship: Index
    vessel: Index
    distance: Floats
    deviations: Floats
    cost: Floats


@dataclass(frozen=True)
class Assignment:
    """Who is who.

    Attributes:
        pair: Index of the pair of each ship; -1 where it has none, (ships,).
        confidence: Probability of that pair among all that the ship or the vessel could be part of, (ships,).
        other: Probability that a ship without a pair is nevertheless one of the vessels without a ship, (ships,).
    """

    pair: Index
    confidence: Floats
    other: Floats


def make_pairs(ships: Ships, index: Index, vessels: Vessels, time: float, clock_error: float) -> Pairs:
    """Find the ships and vessels that may be the same, and what each pair costs.

    Args:
        ships: All ships.
        index: Those that were seen together.
        vessels: Their places at `time`.
        time: Seconds since 1970.
        clock_error: Seconds by which times in the feed may be off.

    Returns:
        Pairs within FARTHEST standard deviations. Their indices are positions in `index` and in `vessels`.
    """
    late = ships.time[index] - time
    tree = cKDTree(unit_vectors(ships.lon[index], ships.lat[index]) * EARTH)
    places, speed = vessels.places, vessels.places.speed
    clock = np.hypot(clock_error, ships.time_error[index].max(initial=0))
    reach = FARTHEST * np.hypot(vessels.error, speed * clock) + speed * np.abs(late).max(initial=0)
    reach += np.hypot(*vessels.offset.T)
    near = tree.query_ball_point(unit_vectors(places.lon, places.lat) * EARTH, reach * 1.01)
    counts = [len(each) for each in near]
    ship = np.concatenate([np.asarray(each, np.intp) for each in near]) if sum(counts) else np.zeros(0, np.intp)
    vessel = np.repeat(np.arange(len(counts)), counts)
    azimuth, _, distance = WGS84.inv(
        places.lon[vessel], places.lat[vessel], ships.lon[index][ship], ships.lat[index][ship]
    )
    way = distance[:, None] * np.column_stack((np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))))
    way = way - places.velocity[vessel] * late[ship][:, None] - vessels.offset[vessel]
    squares, log_area = _distances(way, vessels, vessel, np.hypot(clock_error, ships.time_error[index][ship]))
    shape = _length_term(ships, index[ship], vessels, vessel) + _heading_term(ships, index[ship], vessels, vessel)
    cost = squares / 2 + log_area + shape + np.log(SILENT_SHARE * _density(tree))[ship]
    kept = squares <= FARTHEST**2
    return Pairs(ship[kept], vessel[kept], np.hypot(*way[kept].T), np.sqrt(squares[kept]), cost[kept])


def _distances(way: Floats, vessels: Vessels, vessel: Index, clock: Floats) -> tuple[Floats, Floats]:
    """Squared distance in standard deviations, and the logarithm of the area that one such deviation takes."""
    velocity = vessels.places.velocity[vessel]
    speed = np.hypot(*velocity.T)
    across = vessels.error[vessel]
    along = np.hypot(across, speed * clock)  # a clock that is off moves a vessel along its course
    direction = velocity / np.maximum(speed, 1e-9)[:, None]
    ahead = (way * direction).sum(axis=1)
    beside = (way**2).sum(axis=1) - ahead**2
    return (ahead / along) ** 2 + beside / across**2, np.log(2 * np.pi * along * across)


def _length_term(ships: Ships, ship: Index, vessels: Vessels, vessel: Index) -> Floats:
    """Half the square of the deviation in length, less what it is on average; 0 where a length is not known."""
    difference = ships.length[ship] - vessels.length[vessel]
    square = (difference / np.hypot(ships.length_error[ship], LENGTH_ERROR)) ** 2
    return np.nan_to_num((np.minimum(square, WORST) - 1) / 2)


def _heading_term(ships: Ships, ship: Index, vessels: Vessels, vessel: Index) -> Floats:
    """The same for the direction of the axis."""
    turned = (ships.heading[ship] - vessels.places.heading[vessel] + 90) % 180 - 90
    error = np.hypot(HEADING_ERROR, ASPECT_ERROR * ships.width[ship] / ships.length[ship])
    return np.nan_to_num((np.minimum((turned / error) ** 2, WORST) - 1) / 2)


def _density(tree: cKDTree) -> Floats:
    """Ships per square metre around each ship."""
    counts = np.asarray(tree.query_ball_point(tree.data, AROUND, return_length=True), np.float64)
    return counts / (np.pi * AROUND**2)


def assign(pairs: Pairs, ships: int, vessels: int) -> Assignment:
    """Choose the pairs whose costs sum to the least, such that no ship and no vessel is in two.

    A pair that costs more than 0 is not chosen: the ship rather does not broadcast.

    Args:
        pairs: All pairs.
        ships: Number of ships.
        vessels: Number of vessels.
    """
    chosen = np.full(ships, -1)
    good = np.flatnonzero(pairs.cost < 0)
    if good.size:
        # Each ship may also stay alone, in a column of its own, at a cost of 0. Costs are shifted to be above 0, since
        # a sparse matrix takes 0 for no pair; each ship has one partner, so the shift changes nothing.
        shift = 1 - pairs.cost[good].min()
        alone = np.arange(ships)
        rows = np.concatenate((pairs.ship[good], alone))
        columns = np.concatenate((pairs.vessel[good], vessels + alone))
        costs = np.concatenate((pairs.cost[good] + shift, np.full(ships, shift)))
        matrix = coo_array((costs, (rows, columns)), shape=(ships, vessels + ships)).tocsr()
        row, column = min_weight_full_bipartite_matching(matrix)
        partner = np.full(ships, -1)
        partner[row] = np.where(column < vessels, column, -1)
        hit = good[partner[pairs.ship[good]] == pairs.vessel[good]]
        chosen[pairs.ship[hit]] = hit
    likelihood = np.exp(-np.clip(pairs.cost, -500, 500))
    by_ship = likelihood / (1 + np.bincount(pairs.ship, likelihood, ships)[pairs.ship])
    by_vessel = likelihood / (1 + np.bincount(pairs.vessel, likelihood, vessels)[pairs.vessel])
    sure = np.append(np.minimum(by_ship, by_vessel), 0.0)
    return Assignment(chosen, np.where(chosen >= 0, sure[chosen], np.nan), _other(pairs, chosen, by_vessel, vessels))


def _other(pairs: Pairs, chosen: NDArray[np.intp], by_vessel: Floats, vessels: int) -> Floats:
    taken = np.zeros(vessels, bool)
    taken[pairs.vessel[chosen[chosen >= 0]]] = True
    free = ~taken[pairs.vessel] & (chosen[pairs.ship] < 0)
    return np.minimum(np.bincount(pairs.ship[free], by_vessel[free], len(chosen)), 1.0)
