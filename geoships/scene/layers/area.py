"""Area of interest of a scene, from any vector file."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

NAME = "the area of interest"


class Area:
    """Area of interest of a scene.

    Args:
        polygon: Polygon or multipolygon in pixel coordinates (column, row).
        warnings: What was left out of its file.
    """

    def __init__(self, polygon: BaseGeometry, warnings: tuple[str, ...] = ()) -> None:
        self.polygon, self.warnings = polygon, warnings
        shapely.prepare(polygon)

    def digest(self, scene: Window) -> str:
        """SHA-256 of the part of the scene that is searched; the same for all areas that select the same.

        Args:
            scene: The whole scene.
        """
        return digest_within([self.polygon], (scene.column, scene.row, scene.column_end, scene.row_end))

    def touches(self, window: Window) -> bool:
        """Whether the area intersects a window."""
        return bool(shapely.intersects(self.polygon, _box(window)))

    @property
    def columns(self) -> int:
        """Columns of the scene from its left end to its right end."""
        left, _, right, _ = self.polygon.bounds
        return int(right - left) + 1

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Rasterize the area on a window.

        Args:
            window: Window in pixels of the scene.

        Returns:
            Mask, shape (rows, columns): whether the centre of a pixel is inside the area.
        """
        if shapely.contains(self.polygon, _box(window)):
            return np.ones(window.shape, np.bool_)
        return np.asarray(
            rasterio.features.geometry_mask(
                [self.polygon], window.shape, Affine.translation(window.column, window.row), invert=True
            )
        )


def read_area(layer: VectorLayer, georeference: Georeference) -> Area:
    """Read an area of interest and convert it to pixel coordinates of a scene.

    Args:
        layer: Vector file with polygons, in any CRS, or a table; without a CRS in the scene's coordinates.
        georeference: Georeference of the scene.

    Returns:
        The union of the polygons, clipped to the scene.

    Raises:
        SceneError: The file cannot be read, has no polygons, or does not intersect the scene.
    """
    title, read = layer_title(layer, NAME), read_polygons(layer, georeference, NAME)
    if not read.polygons and not read.apart:
        raise SceneError(f"{title} has no polygons; draw one around the area to search")
    scene = _box(Window(0, 0, georeference.height, georeference.width))
    inside = shapely.intersection(shapely.union_all(list(read.polygons)), scene)
    if not inside.area > 0:
        raise SceneError(f"{title} is outside the scene; {read.apart or 'check its CRS'}")
    return Area(inside, read.warnings)


def _box(window: Window) -> shapely.Polygon:
    return shapely.box(window.column, window.row, window.column_end, window.row_end)
