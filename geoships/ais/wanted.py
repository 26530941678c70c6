"""Which messages can matter: those heard near the ships, in the hours around their acquisition."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

REACH = (
    100e3  # metres around a ship: farther than a vessel sails within the longest gap, and than coverage is looked for
)
_METRES_PER_DEGREE = 111e3
_LON_CELLS = 360


@dataclass(frozen=True)
class Wanted:
    """Times and places of messages that are read.

    Attributes:
        spans: Intervals of time (start, end) in seconds since 1970, in order, apart from each other.
        cells: Squares of one degree, by number; see `cell_of`.
    """

    spans: tuple[tuple[float, float], ...]
    cells: frozenset[int]

    def has_time(self, time: float) -> bool:
        """Whether messages of this time are read."""
        return any(start <= time <= end for start, end in self.spans)

    def have_times(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`has_time` of many; False for NaN."""
        found = np.zeros(len(times), bool)
        for start, end in self.spans:
            found |= (start <= times) & (times <= end)
        return found

    def has_place(self, lon: float, lat: float) -> bool:
        """Whether messages from this place are read."""
        return cell_of(lon, lat) in self.cells

    def have_places(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`has_place` of many."""
        cells = np.floor(lat + 90) * _LON_CELLS + np.floor(lon + 180) % _LON_CELLS
        return np.isin(cells, np.fromiter(self.cells, np.float64))


def cell_of(lon: float, lat: float) -> int:
    """Number of the one-degree square of a place.

    >>> cell_of(-180.0, -90.0), cell_of(179.5, -90.0), cell_of(180.0, -90.0)
    (0, 359, 0)
    """
    return math.floor(lat + 90) * _LON_CELLS + math.floor(lon + 180) % _LON_CELLS


def wanted(times: Iterable[float], lons: ArrayLike, lats: ArrayLike, around: float) -> Wanted:
    """Choose the messages for ships.

    Args:
        times: Acquisition times in seconds since 1970.
        lons: Longitudes of the ships in degrees.
        lats: Latitudes.
        around: Seconds before and after each time.

    Returns:
        Overlapping intervals are one; cells lie within REACH of a ship.
    """
    places = np.unique(np.floor(np.column_stack((np.asarray(lons, float), np.asarray(lats, float))) * 4) / 4, axis=0)
    return Wanted(_merged(times, around), frozenset(cell for place in places for cell in _cells_around(place)))


def _merged(times: Iterable[float], around: float) -> tuple[tuple[float, float], ...]:
    spans: list[tuple[float, float]] = []
    for time in sorted(set(times)):
        if spans and time - around <= spans[-1][1]:
            spans[-1] = (spans[-1][0], time + around)
        else:
            spans.append((time - around, time + around))
    return tuple(spans)


def _cells_around(place: NDArray[np.float64]) -> Iterable[int]:
    lon, lat = place.tolist()
    height = REACH / _METRES_PER_DEGREE
    south, north = max(lat - height, -90.0), min(lat + 0.25 + height, 90.0)
    narrowest = math.cos(math.radians(max(abs(south), abs(north))))
    width = min(height / max(narrowest, 1e-9), 180.0)
    for row in range(math.floor(south), math.floor(north) + 1):
        for column in range(math.floor(lon - width), math.floor(lon + 0.25 + width) + 1):
            yield cell_of(column, row)
