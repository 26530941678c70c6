"""Matches the ships of one moment to the vessels around them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geoships.ais.assign import Assignment, Pairs, Vessels, assign, make_pairs
from geoships.ais.heard import Heard
from geoships.ais.seen import Plane, plane_around, seen_area
from geoships.ais.settings import MatchSettings
from geoships.ais.ships import Index, Ships
from geoships.ais.sightings import Pass
from geoships.ais.tracks import Floats, Ints
from geoships.ais.unmatched import reasons

PERHAPS = 0.3  # probability of being a vessel without a ship, above which a ship is not called dark
PIXELS = 3  # of a ship that is surely found
UNDER_WAY, MOVING = 3.0, 5  # metres per second, and number of ships, from which a shift of time is told


class State(StrEnum):
    """The answer for a ship."""

    MATCHED = "matched"
    DARK = "dark"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Scenery:
    """What is known of the scenes.

    Attributes:
        outlines: Outlines of all ships.
        area: The area that was seen, if given.
        clouds: Clouds, if given.
    """

    outlines: geopandas.GeoSeries
    area: geopandas.GeoSeries | None
    clouds: geopandas.GeoSeries | None


@dataclass(frozen=True)
class PassResult:
    """The answers of one pass.

    Attributes:
        time: Of the pass.
        index: Indices of its ships.
        state: Answer for each ship, (ships,).
        vessel: Index of its vessel, or of the one that it may be; -1 for none, (ships,).
        distance: Metres to its vessel, (ships,).
        confidence: Probability of the match, or of being dark, (ships,).
        heard: How well AIS is received at the ships.
        vessels: All vessels around.
        mmsi: Their numbers.
        shared: Whether a number is sent from several places.
        particulars: Their name, length and width.
        why: Why no ship fits a vessel; None for one that has a ship or lies elsewhere, (vessels,).
        late: Seconds by which the ship of a vessel under way is ahead of its place, one a match.
    """

    time: float
    index: Index
    state: NDArray[np.object_]
    vessel: Index
    distance: Floats
    confidence: Floats
    heard: Heard
    vessels: Vessels
    mmsi: Ints
    shared: NDArray[np.bool_]
    particulars: pd.DataFrame
    why: NDArray[np.object_]
    late: Floats


def match_pass(
    each: Pass, ships: Ships, particulars: pd.DataFrame, scenery: Scenery, settings: MatchSettings
) -> PassResult:
    """Match the ships of one moment.

    Args:
        each: The pass.
        ships: All ships.
        particulars: Name, length, width, bow and stern by MMSI.
        scenery: Outlines, area and clouds.
        settings: How to match.
    """
    known = particulars.reindex(each.mmsi)
    vessels = Vessels(each.places, *(known[name].to_numpy(np.float64) for name in ("length", "bow", "stern")))
    pairs = make_pairs(ships, each.index, vessels, each.time, settings.clock_error)
    assignment = assign(pairs, len(each.index), len(each.mmsi))
    heard = each.hearing.at(ships.lon[each.index], ships.lat[each.index])
    state = _states(assignment, heard)
    found = assignment.pair >= 0
    vessel = np.where(found, np.append(pairs.vessel, -1)[assignment.pair], -1)
    return PassResult(
        each.time, each.index, state, np.where(found, vessel, _likeliest(pairs, assignment, len(each.mmsi))),
        np.where(found, np.append(pairs.distance, np.nan)[assignment.pair], np.nan),
        np.select([found, state == State.DARK], [assignment.confidence, heard.share * (1 - assignment.other)], np.nan),
        heard, vessels, each.mmsi, each.shared, known,
        _why(each, ships, vessels, vessel, scenery, settings), _lateness(ships, each, vessels, vessel),
    )  # fmt: skip


def _states(assignment: Assignment, heard: Heard) -> NDArray[np.object_]:
    dark = heard.received & (assignment.other < PERHAPS)
    states = [State.MATCHED.value, State.DARK.value]
    return np.select([assignment.pair >= 0, dark], states, State.UNKNOWN.value).astype(object)


def _likeliest(pairs: Pairs, assignment: Assignment, vessels: int) -> Index:
    """The vessel without a ship that a ship without a vessel most likely is, where that is likely; else -1."""
    taken = np.zeros(vessels, bool)
    taken[pairs.vessel[assignment.pair[assignment.pair >= 0]]] = True
    free = np.flatnonzero(~taken[pairs.vessel])
    best = np.full(len(assignment.pair), -1)
    order = free[np.argsort(-pairs.cost[free])]  # the cheapest is written last
    best[pairs.ship[order]] = pairs.vessel[order]
    return np.where(assignment.other >= PERHAPS, best, -1)


def _why(
    each: Pass, ships: Ships, vessels: Vessels, vessel: Index, scenery: Scenery, settings: MatchSettings
) -> NDArray[np.object_]:
    plane: Plane = plane_around(ships.lon[each.index], ships.lat[each.index])
    outlines = plane.project(scenery.outlines.iloc[each.index])
    usable = ~(shapely.is_missing(outlines) | shapely.is_empty(outlines))
    area = seen_area(scenery.area, plane, outlines[usable])
    clouds = None if scenery.clouds is None else shapely.union_all(plane.project(scenery.clouds))
    lone = np.ones(len(each.mmsi), bool)
    lone[vessel[vessel >= 0]] = False
    index = np.flatnonzero(lone)
    places = vessels.places.take(index)
    few = Vessels(places, vessels.length[index], vessels.bow[index], vessels.stern[index])
    min_length = PIXELS * ships.pixel if settings.min_length is None else settings.min_length
    found = np.full(len(each.mmsi), None, object)
    found[index] = reasons(
        few, plane.points(places.lon, places.lat),
        area=area, clouds=clouds, others=outlines[usable & (vessel >= 0)], min_length=min_length,
    )  # fmt: skip
    return found


def _lateness(ships: Ships, each: Pass, vessels: Vessels, vessel: Index) -> Floats:
    """Seconds by which ships under way are ahead of their vessels, along the course."""
    matched = np.flatnonzero(vessel >= 0)
    index = vessel[matched]
    places = vessels.places
    plane_lon, plane_lat = ships.lon[each.index][matched], ships.lat[each.index][matched]
    north = np.radians(plane_lat - places.lat[index]) * 6_371_000.0
    east = np.radians((plane_lon - places.lon[index] + 180) % 360 - 180) * 6_371_000.0
    east = east * np.cos(np.radians(plane_lat))
    way = np.column_stack((east, north)) - vessels.offset[index]
    velocity, speed = places.velocity[index], places.speed[index]
    ahead = (way * velocity).sum(axis=1) / np.maximum(speed, 1e-9) ** 2
    late = ahead - (ships.time[each.index][matched] - each.time)
    return np.asarray(late[(speed > UNDER_WAY) & (places.gap[index] < 300)])
