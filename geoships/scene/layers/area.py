"""Area of interest of a scene, from any vector file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.tiling.windows import Window


class Area:
    """Area of interest of a scene.

    Args:
        polygon: Polygon or multipolygon in pixel coordinates (column, row).
        warnings: What was left out of its file.
    """

    def __init__(self, polygon: BaseGeometry, warnings: tuple[str, ...] = ()) -> None:
        self.polygon, self.warnings = polygon, warnings
        shapely.prepare(polygon)

    def touches(self, window: Window) -> bool:
        """Whether the area intersects a window."""
        return bool(shapely.intersects(self.polygon, _box(window)))

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


def read_area(path: Path, georeference: Georeference) -> Area:
    """Read an area of interest and convert it to pixel coordinates of a scene.

    Args:
        path: Vector file with polygons, in any CRS.
        georeference: Georeference of the scene.

    Returns:
        The union of the polygons, clipped to the scene.

    Raises:
        SceneError: The file cannot be read, has no polygons, or does not intersect the scene.
    """
    layer = read_polygons(path, georeference, "the area of interest")
    if not layer.polygons and not layer.apart:
        raise SceneError(f"the area of interest {path} has no polygons; draw one around the area to search")
    scene = _box(Window(0, 0, georeference.height, georeference.width))
    inside = shapely.intersection(shapely.union_all(list(layer.polygons)), scene)
    if not inside.area > 0:
        raise SceneError(f"the area of interest {path} is outside the scene; {layer.apart or 'check its CRS'}")
    return Area(inside, layer.warnings)


def _box(window: Window) -> shapely.Polygon:
    return shapely.box(window.column, window.row, window.column_end, window.row_end)
