"""The area of interest: a part of the scene, from any vector file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.windows import Window


class Area:
    """A part of a scene, as a polygon in pixel coordinates (column, row)."""

    def __init__(self, polygon: BaseGeometry) -> None:
        self.polygon = polygon
        shapely.prepare(polygon)

    def touches(self, window: Window) -> bool:
        """Whether any of the area lies in a window."""
        return bool(shapely.intersects(self.polygon, _box(window)))

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """(rows, columns) of a window: whether the pixel's centre lies in the area."""
        if shapely.contains(self.polygon, _box(window)):
            return np.ones(window.shape, np.bool_)
        return np.asarray(
            rasterio.features.geometry_mask(
                [self.polygon], window.shape, Affine.translation(window.column, window.row), invert=True
            )
        )


def read_area(path: Path, georeference: Georeference) -> Area:
    """Read the polygons of a vector file, in any CRS, and bring them to a scene's pixels.

    A file without a CRS is taken as pixel coordinates if the scene is not placed on Earth, and as
    the scene's map coordinates otherwise. Raises SceneError for files that cannot be read, hold no
    polygon, or lie beside the scene.
    """
    import geopandas

    try:
        frame = geopandas.read_file(path)
    except Exception as error:  # pyogrio and fiona raise errors of their own, without a common base
        raise SceneError(f"cannot read the area of interest {path}: {error}") from error
    polygons = [g for g in frame.geometry if g is not None and g.geom_type in ("Polygon", "MultiPolygon")]
    if not polygons:
        raise SceneError(f"the area of interest {path} holds no polygon; draw one around the area to search")
    polygon = shapely.make_valid(shapely.union_all(polygons))
    area = _to_pixels(polygon, None if frame.crs is None else CRS.from_user_input(frame.crs), georeference)
    scene = Window(0, 0, georeference.height, georeference.width)
    if not shapely.intersects(area, _box(scene)):
        raise SceneError(f"the area of interest {path} lies outside the scene; check its CRS ({frame.crs})")
    return Area(shapely.intersection(area, _box(scene)))


def _to_pixels(polygon: BaseGeometry, crs: CRS | None, georeference: Georeference) -> BaseGeometry:
    if not georeference.placed:
        return polygon
    # Straight edges of one CRS are curves in another: 64 pieces along the longer side follow them.
    west, south, east, north = polygon.bounds
    polygon = shapely.segmentize(polygon, max(east - west, north - south) / 64)
    if crs is not None and crs != georeference.crs:
        transformer = Transformer.from_crs(crs, georeference.crs, always_xy=True)
        polygon = shapely.transform(polygon, lambda xy: np.column_stack(transformer.transform(*xy.T)))

    def to_pixel(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(georeference.to_pixel(xy[:, 0], xy[:, 1]))

    polygon = shapely.transform(polygon, to_pixel)
    if not np.isfinite(polygon.bounds).all():
        raise SceneError("the area of interest reaches outside the scene's map projection; draw a smaller one")
    return shapely.make_valid(polygon)


def _box(window: Window) -> shapely.Polygon:
    return shapely.box(window.column, window.row, window.column_end, window.row_end)
