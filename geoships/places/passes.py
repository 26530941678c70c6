"""Passes: the moments at which a place was looked at, and what each of them saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError
from geoships.places.ship_files import ShipFile
from geoships.scene.acquisition import parse_time

Ints = NDArray[np.intp]

GAP_SECONDS = 1800.0  # between two passes at least; scenes of one pass are minutes apart


@dataclass(frozen=True)
class Passes:
    """Passes in the order of time.

    Attributes:
        times: Beginning of each, UTC.
        of_file: Number of the pass of each file.
        looked: What each pass looked at, in longitude and latitude: the observed area with clouds, or else the hull of
            its ships, which is less than was looked at.
        seen: What of it was seen: without clouds, shadows and parts without data.
        known: Whether `looked` and `seen` are what `predict --observed` wrote; otherwise they are the hull.
    """

    times: tuple[pd.Timestamp, ...]
    of_file: Ints
    looked: tuple[BaseGeometry, ...]
    seen: tuple[BaseGeometry, ...]
    known: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.times)

    def sees(self, lon: float, lat: float) -> NDArray[np.bool_]:
        """Which passes saw a place, (passes,)."""
        point = shapely.Point(lon, lat)
        return np.array([bool(shapely.intersects(area, point)) for area in self.seen], np.bool_)


def find_passes(files: Sequence[ShipFile]) -> Passes:
    """Tell which files are of one pass: those whose times are less than half an hour apart.

    Args:
        files: The ships of each scene, or of several scenes of one pass.

    Raises:
        GeoshipsError: A file has no time, or ships of several passes.
    """
    times = [_time(file) for file in files]
    order = np.argsort([time.timestamp() for time in times], kind="stable")
    of_file, starts = np.zeros(len(files), np.intp), list[pd.Timestamp]()
    last = None
    for number in order.tolist():
        if last is None or (times[number] - last).total_seconds() > GAP_SECONDS:
            starts.append(times[number])
        of_file[number], last = len(starts) - 1, times[number]
    looked, seen, known = [], [], []
    for one in range(len(starts)):
        own = [file for file, at in zip(files, of_file, strict=True) if at == one]
        areas = [_areas(file) for file in own]
        looked.append(shapely.union_all([area for area, _ in areas]))
        seen.append(shapely.union_all([area for _, area in areas]))
        known.append(all(file.observed is not None for file in own))
    for area in seen:
        shapely.prepare(area)
    return Passes(tuple(starts), of_file, tuple(looked), tuple(seen), tuple(known))


def _time(file: ShipFile) -> pd.Timestamp:
    """The one time of a file."""
    texts = {
        str(text)
        for frame in (file.ships, file.observed)
        if frame is not None and "datetime" in frame
        for text in frame["datetime"].dropna()
    }
    found = [parsed.start for text in texts if (parsed := parse_time(text.partition("/")[0].replace(" UTC", "Z")))]
    if not found:
        raise GeoshipsError(f"{file.path}: its ships have no acquisition time, so it is no pass (column datetime)")
    first, last = min(found), max(found)
    if (last - first).total_seconds() > GAP_SECONDS:
        raise GeoshipsError(
            f"{file.path}: has ships of {first:%Y-%m-%d} to {last:%Y-%m-%d}; give a file for each scene, not one of all"
        )
    return pd.Timestamp(first)


def _areas(file: ShipFile) -> tuple[BaseGeometry, BaseGeometry]:
    """What was looked at, and what was seen."""
    if file.observed is None:
        hull = shapely.convex_hull(shapely.union_all(file.ships.geometry.to_numpy()))
        return hull, hull
    observed = file.observed
    whole = observed["kind"].astype(str) != "no data"
    return (
        shapely.union_all(shapely.make_valid(observed.geometry[whole].to_numpy())),
        shapely.union_all(shapely.make_valid(observed.geometry[observed["seen"].astype(bool)].to_numpy())),
    )
