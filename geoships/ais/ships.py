"""The ships to match: where each was, when, and how exactly that is known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geoships.ais.tracks import Floats
from geoships.errors import GeoshipsError
from geoships.scene.acquisition import parse_time

Index = NDArray[np.intp]

PASS_SECONDS = 120.0  # ships of a scene whose times differ by less are matched together
LENGTH_SHARE, LENGTH_PIXELS = 0.15, 2.5  # error of a measured length: share of it, and pixels
LONGEST = 3600.0  # seconds: an acquisition time that is less exact, such as a day, is as good as none
DEFAULT_PIXEL = 10.0  # metres, where a table does not tell


@dataclass(frozen=True)
class Ships:
    """Ships as arrays, all (ships,); not available is NaN.

    Attributes:
        lon: Degrees.
        lat: Degrees.
        length: Metres.
        width: Metres.
        heading: Of the axis, 0 to 180 degrees.
        time: Acquisition in seconds since 1970; NaN where it, or the place, is not known.
        time_error: Seconds by which that may be off.
        scene: Name of the scene.
        pixel: Size of a pixel in metres: one number.
    """

    lon: Floats
    lat: Floats
    length: Floats
    width: Floats
    heading: Floats
    time: Floats
    time_error: Floats
    scene: NDArray[np.object_]
    pixel: float

    def passes(self) -> Iterator[tuple[float, Index]]:
        """Yield the ships that were seen together: the middle of their times, and their indices.

        Ships of different scenes are apart, since scenes overlap and a ship may be in both.
        """
        for scene in dict.fromkeys(self.scene):
            index = np.flatnonzero((self.scene == scene) & np.isfinite(self.time))
            index = index[np.argsort(self.time[index], kind="stable")]
            while index.size:
                together = index[self.time[index] <= self.time[index[0]] + PASS_SECONDS]
                yield float(self.time[together[[0, -1]]].mean()), together
                index = index[together.size :]

    @property
    def length_error(self) -> Floats:
        """Standard deviation of the length in metres."""
        return np.hypot(LENGTH_SHARE * self.length, LENGTH_PIXELS * self.pixel)


def read_table(frame: geopandas.GeoDataFrame, time: str | None, time_error: float) -> Ships:
    """Take what matching needs from a table of ships, as `predict` writes it, or any with polygons or points.

    Args:
        frame: The table.
        time: Acquisition time of all ships, in place of the column `datetime`.
        time_error: Seconds by which times may be off.

    Raises:
        GeoshipsError: The table has no place on Earth, or no ship has a time.
    """
    if frame.crs is None and len(frame):
        raise GeoshipsError("the ships have no place on Earth: their table has no CRS, so nothing can be matched")
    lon, lat = _lonlat(frame)
    times, errors = _times(frame, time)
    times = np.where(np.isfinite(lon) & np.isfinite(lat), times, np.nan)  # without a place nothing can be asked
    if len(frame) and not np.isfinite(times).any():
        raise GeoshipsError(
            "no ship has a time of acquisition (a day is not enough) in the column datetime: "
            "give it, as in --time 2024-06-01T10:54:21Z"
        )
    number = {name: _numbers(frame, name) for name in ("length_m", "width_m", "heading_deg", "area_m2", "pixels")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a table without areas
        pixels = np.where(number["pixels"] > 0, number["pixels"], np.nan)
        pixel = float(np.sqrt(np.nanmedian(number["area_m2"] / pixels)))
    scene = frame["scene"].fillna("").to_numpy(object) if "scene" in frame else np.full(len(frame), "", object)
    return Ships(
        lon, lat, number["length_m"], number["width_m"], number["heading_deg"], times,
        np.hypot(errors, time_error), scene, pixel if np.isfinite(pixel) else DEFAULT_PIXEL,
    )  # fmt: skip


def _numbers(frame: geopandas.GeoDataFrame, column: str) -> Floats:
    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), np.float64)


def _lonlat(frame: geopandas.GeoDataFrame) -> tuple[Floats, Floats]:
    """The centroids: those of the table, or else those of the geometries."""
    lon, lat = _numbers(frame, "lon"), _numbers(frame, "lat")
    missing = ~(np.isfinite(lon) & np.isfinite(lat))
    if missing.any():
        points = geopandas.GeoSeries(shapely.centroid(frame.geometry.to_numpy()), crs=frame.crs).to_crs(4326)
        lon, lat = np.where(missing, points.x, lon), np.where(missing, points.y, lat)
    return (lon + 180) % 360 - 180, lat


def _times(frame: geopandas.GeoDataFrame, time: str | None) -> tuple[Floats, Floats]:
    """Seconds since 1970, and by how much they may be off; NaN where only a day is known."""
    if time is not None:
        seconds, error = _seconds(time)
        if not np.isfinite(seconds):
            raise GeoshipsError(f"cannot use the time {time!r}: write it as 2024-06-01T10:54:21Z")
        return np.full(len(frame), seconds), np.full(len(frame), error)
    column = frame["datetime"] if "datetime" in frame else pd.Series([None] * len(frame))
    known = {text: _seconds(text) for text in column.dropna().astype(str).unique()}
    rows = [known.get(str(text), (np.nan, 0.0)) for text in column]
    pairs = np.array(rows, np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _seconds(text: str) -> tuple[float, float]:
    """Middle and standard deviation of a time or an interval; NaN for a day, and for what is no time."""
    first, _, last = text.replace(" UTC", "Z").partition("/")
    start, end = parse_time(first), parse_time(last or first)
    if start is None or end is None:
        return np.nan, 0.0
    width = (end.end - start.start).total_seconds()
    if not 0 <= width <= LONGEST:
        return np.nan, 0.0
    return start.start.timestamp() + width / 2, width / 12**0.5
