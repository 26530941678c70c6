"""Polygons of vector files, brought to a scene's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference


def read_polygons(
    path: Path, georeference: Georeference, what: str, only: tuple[str, str] | None = None
) -> list[BaseGeometry]:
    """Polygons and multipolygons of a vector file in any CRS, valid, in pixel coordinates (column, row).

    A file without a CRS is taken as pixel coordinates if the scene is not placed on Earth, and as
    the scene's map coordinates otherwise.

    what: names the file in errors, such as ``the area of interest``.
    only: a column and the value of the rows that count; a file without this column counts whole.
    Raises SceneError for files that cannot be read or reach off the scene's map projection.
    """
    import geopandas

    try:
        frame = geopandas.read_file(path, layer=_first_layer(path))
    except Exception as error:  # pyogrio and fiona raise errors of their own, without a common base
        raise SceneError(f"cannot read {what} {path}: {error}") from error
    if only and only[0] in frame:
        frame = frame[frame[only[0]] == only[1]]
    crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
    polygons = [g for g in frame.geometry if g is not None and g.geom_type in ("Polygon", "MultiPolygon")]
    polygons = [to_pixels(shapely.make_valid(g), crs, georeference) for g in polygons if not g.is_empty]
    if not all(np.isfinite(polygon.bounds).all() for polygon in polygons):
        raise SceneError(f"{what} {path} reaches outside the scene's map projection; draw a smaller one")
    return [shapely.make_valid(polygon) for polygon in polygons]


def _first_layer(path: Path) -> str | None:
    """Name of the first layer with shapes; a GeoPackage may hold tables of other things, such as styles."""
    import pyogrio

    layers = pyogrio.list_layers(path)
    return next((str(name) for name, kind in layers if kind is not None), None)


def to_pixels(polygon: BaseGeometry, crs: CRS | None, georeference: Georeference) -> BaseGeometry:
    """A polygon in `crs`, or in the scene's map coordinates, in the scene's pixel coordinates (column, row).

    It is taken for pixel coordinates if the scene is not placed on Earth. Longitudes are turned to where a scene
    in degrees has them, which may be beyond 180. Coordinates off the scene's projection come back as infinity.
    """
    if not georeference.placed:
        return polygon
    moved = crs is not None and crs != georeference.crs
    if moved or georeference.gcps:
        # Straight edges of one CRS are curves in another: 64 pieces along the longer side follow them.
        west, south, east, north = polygon.bounds
        polygon = shapely.segmentize(polygon, max(east - west, north - south) / 64)
    if moved:
        transformer = Transformer.from_crs(crs, georeference.crs, always_xy=True)
        polygon = shapely.transform(polygon, lambda xy: np.column_stack(transformer.transform(*xy.T)))

    def to_pixel(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        if georeference.crs is not None and georeference.crs.is_geographic:
            middle, _ = georeference.to_map(georeference.width / 2, georeference.height / 2)
            xy = np.column_stack([xy[:, 0] - 360 * np.round((xy[:, 0] - middle) / 360), xy[:, 1]])
        return np.column_stack(georeference.to_pixel(xy[:, 0], xy[:, 1]))

    return shapely.transform(polygon, to_pixel)
