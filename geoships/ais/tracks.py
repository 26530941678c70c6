"""Tracks of vessels from their position reports: positions that jump are left out, and shared numbers told apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_SPEED = 50.0  # metres per second: no vessel is faster
SLACK = 1_000.0  # metres: clocks that are half a minute off, and positions that are a little off
MIN_REPORTS = 5  # of a second vessel with the same number; fewer are positions that jump
MAX_TRACKS = 12  # of one number at one time
_RADIUS = 6_371_000.0


@dataclass(frozen=True)
class Fixes:
    """Position reports, sorted by vessel and time; all (reports,).

    Attributes:
        mmsi: Number of the vessel.
        t: Seconds since 1970.
        lon: Degrees.
        lat: Degrees.
        speed: Over ground, in metres per second; NaN where not available.
        course: Over ground, in degrees clockwise from north; NaN where not available.
        heading: True heading in degrees; NaN where not available.
    """

    mmsi: Ints
    t: Floats
    lon: Floats
    lat: Floats
    speed: Floats
    course: Floats
    heading: Floats

    def __len__(self) -> int:
        return len(self.t)

    def take(self, index: Bools | NDArray[np.intp]) -> Fixes:
        """The reports of an index or a mask."""
        return Fixes(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Tracks:
    """Reports of which each belongs to a track, sorted by track and time.

    Attributes:
        fixes: The reports.
        track: Number of the track of each report, from 0, (reports,).
        mmsi: Number of the vessel of each track, (tracks,).
        shared: Whether several tracks have this number, as vessels share it or positions are not true, (tracks,).
        jumps: Number of reports that were left out because they jump.
    """

    fixes: Fixes
    track: Ints
    mmsi: Ints
    shared: Bools
    jumps: int

    @cached_property
    def bounds(self) -> tuple[Ints, Ints]:
        """Index of the first report of each track, and of the one after its last, (tracks,)."""
        numbers = np.arange(len(self.mmsi))
        return np.searchsorted(self.track, numbers), np.searchsorted(self.track, numbers, side="right")

    @cached_property
    def _keys(self) -> tuple[Floats, float, float]:
        """Numbers that grow with track and time, (reports,); the earliest time, and what a track adds."""
        start = float(self.fixes.t.min())
        span = float(self.fixes.t.max()) - start + 1
        return self.track * span + (self.fixes.t - start), start, span

    def neighbours(self, time: float) -> tuple[Ints, Ints]:
        """Index of the last report of each track before a time, and of the first after it; -1 where there is none.

        Returns:
            Two arrays, (tracks,).
        """
        if not len(self.fixes):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys, start, span = self._keys
        first, end = self.bounds
        offset = np.clip(time - start, -0.5, span - 0.5)
        after = np.searchsorted(keys, np.arange(len(first)) * span + offset, side="right")
        return np.where(after > first, after - 1, -1), np.where(after < end, after, -1)


def make_tracks(fixes: Fixes) -> Tracks:
    """Divide position reports into tracks that a vessel can have sailed.

    A report that the vessel cannot have reached from the one before at MAX_SPEED begins another track of the same
    number, and later reports join the track that they can be reached from. Tracks of less than MIN_REPORTS reports, or
    less than a tenth of the longest, are positions that jump.

    Args:
        fixes: Sorted by vessel and time, with all reports of each vessel.
    """
    same = np.zeros(len(fixes), bool)
    same[1:] = fixes.mmsi[1:] == fixes.mmsi[:-1]
    allowed = MAX_SPEED * np.diff(fixes.t, prepend=0) + SLACK
    jumping = same & (_step_lengths(fixes) > allowed)
    part = np.zeros(len(fixes), np.int64)
    for mmsi in np.unique(fixes.mmsi[jumping]):
        start, end = np.searchsorted(fixes.mmsi, (mmsi, mmsi + 1))
        part[start:end] = _parts(fixes.t[start:end], fixes.lon[start:end], fixes.lat[start:end])
    kept = part >= 0
    order = np.lexsort((fixes.t[kept], part[kept], fixes.mmsi[kept]))
    sorted_fixes, part = fixes.take(kept).take(order), part[kept][order]
    first = np.ones(len(part), bool)
    first[1:] = (np.diff(sorted_fixes.mmsi) != 0) | (np.diff(part) != 0)
    mmsi = sorted_fixes.mmsi[first]
    _, vessel, count = np.unique(mmsi, return_inverse=True, return_counts=True)
    return Tracks(sorted_fixes, np.cumsum(first) - 1, mmsi, count[vessel] > 1, int((~kept).sum()))


def none() -> Tracks:
    """No tracks."""
    empty = np.zeros(0)
    fixes = Fixes(empty.astype(np.int64), *[empty] * 6)
    return Tracks(fixes, fixes.mmsi, fixes.mmsi, empty.astype(bool), 0)


def _step_lengths(fixes: Fixes) -> Floats:
    """Metres from the report before, on a sphere, (reports,)."""
    xyz = unit_vectors(fixes.lon, fixes.lat)
    steps = np.linalg.norm(np.diff(xyz, axis=0, prepend=xyz[:1]), axis=1)
    return np.asarray(_RADIUS * steps)


def unit_vectors(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors of places on a sphere, (places, 3)."""
    lon, lat = np.radians(lon), np.radians(lat)
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))


def _parts(t: Floats, lon: Floats, lat: Floats) -> Ints:
    """Number of the track of each report of one vessel; -1 for positions that jump."""
    xyz = unit_vectors(lon, lat) * _RADIUS
    ends = np.zeros((MAX_TRACKS, 3))
    times = np.zeros(MAX_TRACKS)
    part = np.full(len(t), -1, np.int64)
    tracks = 0
    for index, (time, place) in enumerate(zip(t.tolist(), xyz, strict=True)):
        steps = np.sqrt(((ends[:tracks] - place) ** 2).sum(axis=1))
        speeds = steps / (time - times[:tracks] + SLACK / MAX_SPEED)  # the slowest is the likeliest
        chosen = int(speeds.argmin()) if tracks else 0
        if not tracks or speeds[chosen] > MAX_SPEED:
            if tracks == MAX_TRACKS:
                continue
            chosen, tracks = tracks, tracks + 1
        part[index], ends[chosen], times[chosen] = chosen, place, time
    counts = np.bincount(part[part >= 0], minlength=tracks)
    least = min(max(MIN_REPORTS, int(counts.max()) // 10), int(counts.max()))
    return np.where((part >= 0) & (counts[part] >= least), part, -1)
