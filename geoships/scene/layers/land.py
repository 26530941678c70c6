"""Land, where no ship floats: parts of a scene that need not be computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.tiling.windows import Window

SPACING = 100.0  # metres between the points at which the land mask is asked
POINTS = 512  # most of them along one side of a window


class Land(Protocol):
    """Where there is land."""

    def covers(self, window: Window) -> bool:
        """Whether a window lies on land, farther from the shore than the buffer."""


class PolygonLand:
    """Land as polygons in pixel coordinates (column, row).

    shore: metres from the shore within which land is no land, so that berthed ships stay. pixel_size: metres (across
    columns, down rows).
    """

    def __init__(self, polygons: Sequence[BaseGeometry], shore: float, pixel_size: tuple[float, float]) -> None:
        self._scale = np.array(pixel_size)
        metres = [shapely.transform(polygon, lambda xy: xy * self._scale) for polygon in polygons]
        self._inland = shapely.buffer(shapely.union_all(metres), -shore)
        shapely.prepare(self._inland)

    def covers(self, window: Window) -> bool:
        """Whether a window lies on land, farther from the shore than the buffer."""
        (left, right), (top, bottom) = (
            np.array(ends) * size
            for ends, size in zip(
                ((window.column, window.column_end), (window.row, window.row_end)), self._scale, strict=True
            )
        )
        return bool(shapely.covers(self._inland, shapely.box(left, top, right, bottom)))


class MaskLand:
    """Land of the whole Earth after GSHHG (Wessel and Smith 1996), by the package roaring-landmask.

    A window is asked at points at most 100 m apart, or 512 along a side; lakes and rivers count as land.

    shore, pixel_size: as for PolygonLand. Raises SceneError where the scene has no place on Earth, or the package is
    missing.
    """

    def __init__(self, georeference: Georeference, shore: float, pixel_size: tuple[float, float]) -> None:
        if not georeference.placed:
            raise SceneError("the land mask needs a scene with a place on Earth; leave out --land-mask")
        try:
            from roaring_landmask import RoaringLandmask
        except ImportError as error:
            raise SceneError("no land mask is installed: pip install 'geoships[landmask]'") from error
        self._mask, self._georeference = RoaringLandmask.new(), georeference
        self._shore, self._pixel_size = shore, pixel_size

    def covers(self, window: Window) -> bool:
        """Whether a window lies on land, farther from the shore than the buffer."""
        columns, rows = (
            _points(start, stop, size, self._shore)
            for start, stop, size in zip(
                (window.column, window.row), (window.column_end, window.row_end), self._pixel_size, strict=True
            )
        )
        x, y = np.meshgrid(columns, rows)
        lon, lat = self._georeference.to_lonlat(x.ravel(), y.ravel())
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return False
        lon = (lon + 180) % 360 - 180
        return bool(np.all(self._mask.contains_many(np.ascontiguousarray(lon), np.ascontiguousarray(lat))))


def _points(start: int, stop: int, size: float, shore: float) -> NDArray[np.float64]:
    """Pixel coordinates along one axis of a window that is widened by the shore."""
    first, last = start - shore / size, stop + shore / size
    return np.linspace(first, last, min(POINTS, max(2, int((last - first) * size / SPACING) + 2)))


def read_inland(path: Path, georeference: Georeference, shore: float, pixel_size: tuple[float, float]) -> PolygonLand:
    """Land from the polygons of a vector file in any CRS; shore, pixel_size: as for PolygonLand.

    Raises SceneError for files that cannot be read, or hold no polygon.
    """
    polygons = read_polygons(path, georeference, "the land layer")
    if not polygons:
        raise SceneError(f"the land layer {path} holds no polygon; leave out --land")
    return PolygonLand(polygons, shore, pixel_size)
