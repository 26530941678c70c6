"""Land mask of a scene: windows on land need not be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import digest_within, read_polygons
from geoships.scene.layers.vector_file import layer_title
from geoships.scene.tiling.windows import Window

if TYPE_CHECKING:
    from geoships.scene.layers.vector_file import VectorLayer

NAME = "the land layer"

SPACING = 100.0  # metres between the points at which the land mask is sampled
AROUND = 1000.0  # metres around a scene that count in its digest, besides the shore: larger than a cell of `cells`
MAX_POINTS = 512  # along one side of a window


class Land(Protocol):
    """A land mask of a scene. Its warnings tell what was left out of its file."""

    warnings: tuple[str, ...]

    def covers(self, window: Window) -> bool:
        """Whether the whole window is on land, and farther from the shore than the shore buffer."""

    def cells(self, step: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether the middle of each square of `step` x `step` pixels is on land, up to the shore; of this shape."""

    def digest(self, scene: Window) -> str | None:
        """SHA-256 of the land in a scene and near it; None: it does not depend on a file."""


class PolygonLand:
    """Land mask from polygons.

    Args:
        polygons: Land in pixel coordinates (column, row).
        shore: Shore buffer in metres: land closer to the shore does not count as land, so that moored ships are found.
        pixel_size: (width, height) of a pixel in metres.
        warnings: What was left out of its file, and that it does not overlap the scene.
    """

    def __init__(
        self,
        polygons: Sequence[BaseGeometry],
        shore: float,
        pixel_size: tuple[float, float],
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.warnings = warnings
        self._scale, self._polygons, self._shore = np.array(pixel_size), tuple(polygons), shore
        metres = [shapely.transform(polygon, lambda xy: xy * self._scale) for polygon in polygons]
        self._inland = shapely.buffer(shapely.union_all(metres), -shore)
        shapely.prepare(self._inland)

    def covers(self, window: Window) -> bool:
        """Whether the whole window is on land, and farther from the shore than the shore buffer."""
        (left, right), (top, bottom) = (
            np.array(ends) * size
            for ends, size in zip(
                ((window.column, window.column_end), (window.row, window.row_end)), self._scale, strict=True
            )
        )
        return bool(shapely.covers(self._inland, shapely.box(left, top, right, bottom)))

    def cells(self, step: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether the middle of each square of `step` x `step` pixels is on land, up to the shore; of this shape."""
        if not self._polygons:
            return np.zeros(shape, np.bool_)
        return np.asarray(rasterio.features.geometry_mask(self._polygons, shape, Affine.scale(step), invert=True))

    def digest(self, scene: Window) -> str:
        """SHA-256 of the land in a scene, and around it as far as the shore buffer and the cells of `cells` reach.

        Args:
            scene: The whole scene.
        """
        across, down = (self._shore + AROUND) / self._scale + max(scene.shape) / 100
        left, top, right, bottom = scene.column, scene.row, scene.column_end, scene.row_end
        return digest_within(self._polygons, (left - across, top - down, right + across, bottom + down))


class MaskLand:
    """Global land mask from GSHHG (Wessel and Smith, 1996), in the package roaring-landmask.

    A window is sampled at points at most 100 m apart, and at no more than 512 points along a side. Lakes and rivers
    count as land.

    Args:
        georeference: Georeference of the scene.
        shore: Shore buffer in metres, as for `PolygonLand`.
        pixel_size: (width, height) of a pixel in metres.

    Raises:
        SceneError: The scene is not georeferenced, or the package is not installed.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, georeference: Georeference, shore: float, pixel_size: tuple[float, float]) -> None:
        if not georeference.placed:
            raise SceneError("--land-mask needs a georeferenced scene; leave it out, or add a CRS and a geotransform")
        try:
            from roaring_landmask import RoaringLandmask
        except ImportError as error:
            raise SceneError("--land-mask needs another package: pip install 'geoships[landmask]'") from error
        self._mask, self._georeference = RoaringLandmask.new(), georeference
        self._shore, self._pixel_size = shore, pixel_size

    def covers(self, window: Window) -> bool:
        """Whether the whole window is on land, and farther from the shore than the shore buffer."""
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

    def cells(self, step: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether the middle of each square of `step` x `step` pixels is on land, up to the shore; of this shape."""
        found = np.zeros(shape, np.bool_)
        columns = (np.arange(shape[1]) + 0.5) * step
        for row in range(shape[0]):
            lon, lat = self._georeference.to_lonlat(columns, np.full(shape[1], (row + 0.5) * step))
            known = np.isfinite(lon) & np.isfinite(lat)
            lon = (lon[known] + 180) % 360 - 180
            found[row, known] = self._mask.contains_many(np.ascontiguousarray(lon), np.ascontiguousarray(lat[known]))
        return found

    def digest(self, scene: Window) -> None:
        """None: the mask does not depend on a file."""


def _points(start: int, stop: int, size: float, shore: float) -> NDArray[np.float64]:
    """Sampling points along one axis of a window, which is enlarged by the shore buffer, in pixel coordinates."""
    first, last = start - shore / size, stop + shore / size
    return np.linspace(first, last, min(MAX_POINTS, max(2, int((last - first) * size / SPACING) + 2)))


def read_land(
    layer: VectorLayer, georeference: Georeference, shore: float, pixel_size: tuple[float, float]
) -> PolygonLand:
    """Read a land mask.

    Args:
        layer: Vector file with polygons, in any CRS, or a table; without a CRS in the scene's coordinates.
        georeference: Georeference of the scene.
        shore: Shore buffer in metres, as for `PolygonLand`.
        pixel_size: (width, height) of a pixel in metres.

    Returns:
        The land mask.

    Raises:
        SceneError: The file cannot be read, or has no polygons.
    """
    title, read = layer_title(layer, NAME), read_polygons(layer, georeference, NAME)
    if not read.polygons and not read.apart:
        raise SceneError(f"{title} has no polygons; leave out --land")
    warnings = read.warnings
    if read.apart:
        warnings += (f"{title} does not overlap the scene and has no effect; {read.apart}",)
    return PolygonLand(read.polygons, shore, pixel_size, warnings)
