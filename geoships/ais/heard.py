"""Where AIS is received: shown by where messages of vessels were heard, and where vessels fell silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from geoships.ais.tracks import Bools, Floats, Ints, Tracks, unit_vectors

EARTH = 6_371_000.0  # metres
HOURS = 2.0  # before and after: a station's reach is much the same over hours, and more vessels show it
STEP = 120.0  # seconds between the places of a vessel that are looked at
LONG_INTERVAL, LEAST_INTERVAL = 3.0, 300.0  # a silence: so many ordinary intervals, and seconds at least
SILENT_AHEAD = 1_800.0  # seconds for which a vessel is expected before its first and after its last report
CELL = 2_000.0  # metres: places of one vessel in one cell count as one
KERNEL, RADIUS = 3_500.0, 10_000.0  # metres: weight of a vessel by its distance, and where that ends
NOW, NOW_RADIUS = 600.0, 30_000.0  # a station must also be heard around the moment: seconds and metres
# At the rim of a station's reach vessels are heard for part of their time only, and all on one side. In the middle they
# are on all sides; at a coast on one side, but heard for most of their time. docs/how-to/ais.md has the figures.
LEAST_SCORE = 0.4  # share of their time in which vessels were heard, less half of how one-sided they are
LEAST_VESSELS = 1.2  # sum of the weights of vessels that were heard, of which each has at most 1


@dataclass(frozen=True)
class Heard:
    """How well AIS is received at places; all (places,).

    Attributes:
        share: Share of their time in which vessels near the place were heard, 0 to 1; 0 where there were none.
        vessels: Sum of the weights of these vessels: each counts 1 at the place, less farther away.
        one_sided: 0 where they are on all sides of the place, 1 where all lie in one direction.
        now: Whether vessels around the place were heard in the minutes around the moment.
    """

    share: Floats
    vessels: Floats
    one_sided: Floats
    now: Bools

    @property
    def received(self) -> Bools:
        """Whether a vessel that broadcasts there would have been heard."""
        score = self.share - self.one_sided / 2
        return np.asarray((score >= LEAST_SCORE) & (self.vessels >= LEAST_VESSELS) & self.now)


@dataclass
class Hearing:
    """Collects for one moment where vessels were heard and where they were silent.

    Attributes:
        time: The moment, in seconds since 1970.
    """

    time: float
    _cells: list[Floats] = field(default_factory=list)  # rows: lon, lat, vessel, heard, silent
    _now: list[Floats] = field(default_factory=list)  # rows: lon, lat of vessels heard around the moment

    def add(self, tracks: Tracks) -> None:
        """Add tracks. Those of shared numbers are left out, as their positions may not be true."""
        if not len(tracks.fixes):
            return
        ordinary = _intervals(tracks)
        steps = np.arange(-HOURS * 3600, HOURS * 3600 + 1, STEP)
        found = [_at(tracks, self.time + step, ordinary) for step in steps]
        lon, lat, track, heard = (np.concatenate(columns) for columns in zip(*found, strict=True))
        self._cells.append(_by_cell(lon, lat, track, heard, tracks.mmsi))
        around = np.abs(tracks.fixes.t - self.time) <= NOW
        around &= ~tracks.shared[tracks.track]
        last = np.flatnonzero(around)[np.unique(tracks.track[around], return_index=True)[1]]
        self._now.append(np.column_stack((tracks.fixes.lon[last], tracks.fixes.lat[last])))

    def at(self, lon: Floats, lat: Floats) -> Heard:
        """How well AIS is received at places, in degrees."""
        share, vessels, one_sided = np.zeros((3, len(lon)))
        now = np.zeros(len(lon), bool)
        places = unit_vectors(lon, lat) * EARTH
        if self._cells and len(lon):
            cells = np.concatenate(self._cells)
            tree = cKDTree(unit_vectors(cells[:, 0], cells[:, 1]) * EARTH)
            for start in range(0, len(lon), 500):  # in the densest ports thousands of cells are near each ship
                part = slice(start, start + 500)
                share[part], vessels[part], one_sided[part] = _weighted(tree, cells, places[part])
            heard = np.concatenate(self._now)
            if len(heard):
                tree = cKDTree(unit_vectors(heard[:, 0], heard[:, 1]) * EARTH)
                now = np.isfinite(tree.query(places, distance_upper_bound=NOW_RADIUS)[0])
        return Heard(share, vessels, one_sided, now)


def _intervals(tracks: Tracks) -> Floats:
    """Seconds between two reports of each vessel: the median, (tracks,)."""
    same = np.diff(tracks.track) == 0
    intervals = np.where(same, np.diff(tracks.fixes.t), np.nan)
    order = np.lexsort((intervals, tracks.track[1:]))
    tracks_sorted, sorted_intervals = tracks.track[1:][order], intervals[order]
    known = np.isfinite(sorted_intervals)
    tracks_sorted, sorted_intervals = tracks_sorted[known], sorted_intervals[known]
    first = np.searchsorted(tracks_sorted, np.arange(len(tracks.mmsi)))
    count = np.bincount(tracks_sorted, minlength=len(tracks.mmsi))
    middle = np.minimum(first + count // 2, max(len(sorted_intervals) - 1, 0))
    median = np.where(count > 0, sorted_intervals[middle] if len(sorted_intervals) else 0.0, 0.0)
    return np.minimum(median, 1800.0)


def _at(tracks: Tracks, time: float, ordinary: Floats) -> tuple[Floats, Floats, Ints, Bools]:
    """Place of each vessel that is expected at a time, its track, and whether it was heard."""
    before, after = tracks.neighbours(time)
    fixes = tracks.fixes
    since = np.where(before >= 0, time - fixes.t[before], np.inf)
    until = np.where(after >= 0, fixes.t[after] - time, np.inf)
    tolerance = np.maximum(LONG_INTERVAL * ordinary, LEAST_INTERVAL)
    # In a silence a vessel is heard no farther than half an ordinary interval from its last report, or it would seem
    # to be heard beyond the place where it left a station's reach.
    heard = (since + until <= tolerance) | (np.minimum(since, until) <= ordinary / 2)
    inside = np.isfinite(since) & np.isfinite(until)
    expected = (inside | (np.minimum(since, until) <= SILENT_AHEAD)) & ~tracks.shared
    # Straight lines in degrees are good enough here.
    share = np.where(inside, since / np.where(inside, np.maximum(since + until, 1e-9), 1), 0)
    far = (fixes.lon[after] - fixes.lon[before] + 180) % 360 - 180
    lon = fixes.lon[before] + share * far
    lat = fixes.lat[before] + share * (fixes.lat[after] - fixes.lat[before])
    nearest = np.where(since <= until, before, after)
    ahead = np.where(inside, 0, time - fixes.t[nearest])
    speed, course = np.nan_to_num(fixes.speed[nearest]), np.radians(np.nan_to_num(fixes.course[nearest]))
    metres = np.degrees(speed * ahead / EARTH)
    beyond_lat = fixes.lat[nearest] + metres * np.cos(course)
    beyond_lon = fixes.lon[nearest] + metres * np.sin(course) / np.maximum(np.cos(np.radians(beyond_lat)), 1e-3)
    lon, lat = np.where(inside, lon, beyond_lon), np.where(inside, lat, np.clip(beyond_lat, -90, 90))
    index = np.flatnonzero(expected)
    return lon[index], lat[index], index, heard[index]


def _by_cell(lon: Floats, lat: Floats, track: Ints, heard: Bools, mmsi: Ints) -> Floats:
    """One row for each cell and vessel: mean place, number of the vessel, times heard, times silent."""
    row = np.floor(np.radians(lat) * EARTH / CELL).astype(np.int64)
    width = np.maximum(np.cos(np.radians((row + 0.5) * CELL / EARTH * 180 / np.pi)), 1e-3)
    column = np.floor(np.radians(lon) * EARTH * width / CELL).astype(np.int64)
    keys = np.column_stack((track, row, column))
    order = np.lexsort(keys.T)
    keys = keys[order]
    first = np.ones(len(keys), bool)
    first[1:] = (np.diff(keys, axis=0) != 0).any(axis=1)
    group, starts = np.cumsum(first) - 1, np.flatnonzero(first)
    count = np.bincount(group)
    rows = np.zeros((len(starts), 5))
    for index, values in enumerate((lon, lat)):
        rows[:, index] = np.bincount(group, values[order]) / count
    rows[:, 2] = mmsi[keys[starts, 0]]
    rows[:, 3] = np.bincount(group, heard[order])
    rows[:, 4] = count - rows[:, 3]
    return rows


def _weighted(tree: cKDTree, cells: Floats, places: Floats) -> tuple[Floats, Floats, Floats]:
    """Share of time heard, number of vessels heard, and how one-sided they are, by distance, for each place."""
    near: Any = tree.query_ball_point(places, RADIUS)
    counts = np.array([len(each) for each in near], np.int64)
    if not counts.sum():
        return np.zeros(len(places)), np.zeros(len(places)), np.ones(len(places))
    index = np.concatenate([np.asarray(each, np.int64) for each in near])
    owner = np.repeat(np.arange(len(places)), counts)
    way = tree.data[index] - places[owner]
    distance = np.linalg.norm(way, axis=1)
    weight = np.exp(-0.5 * (distance / KERNEL) ** 2)
    # Sums over the cells of each vessel near each place; each vessel counts once, however long it stays.
    pair, group = np.unique(np.column_stack((owner, cells[index, 2])), axis=0, return_inverse=True)
    group = group.ravel()
    heard = np.bincount(group, weight * cells[index, 3])
    silent = np.bincount(group, weight * cells[index, 4])
    nearest = np.zeros(len(pair))
    np.maximum.at(nearest, group, weight)
    share = heard / np.maximum(heard + silent, 1e-12)
    place = pair[:, 0].astype(np.int64)
    total = np.bincount(place, nearest, len(places))
    vessels = np.bincount(place, nearest * share, len(places))
    one_sided = _resultant(owner, way / (distance + 1)[:, None], weight * (cells[index, 3] > 0), len(places))
    return np.asarray(vessels / np.maximum(total, 1e-12)), np.asarray(vessels, np.float64), one_sided


def _resultant(owner: Ints, directions: Floats, weight: Floats, places: int) -> Floats:
    """Length of the weighted mean of directions at each place; 1 without any."""
    total = np.asarray(np.bincount(owner, weight, places), np.float64)
    sums = [np.bincount(owner, weight * component, places) for component in directions.T]
    return np.where(total > 0, np.linalg.norm(sums, axis=0) / np.maximum(total, 1e-12), 1.0)
