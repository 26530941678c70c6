"""Polygons of vector files in pixel coordinates of a scene."""

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
    path: Path, georeference: Georeference, layer_name: str, only: tuple[str, str] | None = None
) -> list[BaseGeometry]:
    """Read the polygons of a vector file, and convert them to pixel coordinates of a scene.

    A file without a CRS is taken to be in pixel coordinates if the scene is not georeferenced, and in the scene's map
    coordinates otherwise.

    Args:
        path: Vector file in any CRS. Of a file with several layers the first with geometries is read.
        georeference: Georeference of the scene.
        layer_name: Name of the layer for error messages, such as ``the area of interest``.
        only: (column, value): only rows with this value are read; None: all rows. A file without the column is read
            completely.

    Returns:
        Valid polygons and multipolygons in pixel coordinates (column, row).

    Raises:
        SceneError: The file cannot be read, or extends beyond the area of the scene's map projection.
    """
    import geopandas

    try:
        frame = geopandas.read_file(path, layer=_first_layer(path))
    except Exception as error:  # errors of pyogrio and fiona have no common base class
        raise SceneError(f"cannot read {layer_name} {path}: {error}") from error
    if only and only[0] in frame:
        frame = frame[frame[only[0]] == only[1]]
    crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
    polygons = [g for g in frame.geometry if g is not None and g.geom_type in ("Polygon", "MultiPolygon")]
    polygons = [to_pixels(shapely.make_valid(g), crs, georeference) for g in polygons if not g.is_empty]
    if not all(np.isfinite(polygon.bounds).all() for polygon in polygons):
        raise SceneError(
            f"{layer_name} {path} extends beyond the area of the scene's map projection; draw a smaller one"
        )
    return [shapely.make_valid(polygon) for polygon in polygons]


def _first_layer(path: Path) -> str | None:
    """Name of the first layer with geometries. A GeoPackage may also have tables without, such as styles."""
    import pyogrio

    layers = pyogrio.list_layers(path)
    return next((str(name) for name, kind in layers if kind is not None), None)


def to_pixels(polygon: BaseGeometry, crs: CRS | None, georeference: Georeference) -> BaseGeometry:
    """Convert a polygon to pixel coordinates of a scene.

    If the scene is in degrees, longitudes are shifted by multiples of 360 to the scene's range, which may exceed 180.

    Args:
        polygon: Polygon or multipolygon.
        crs: Its CRS; None: the scene's map coordinates. Ignored if the scene is not georeferenced: then the polygon is
            in pixel coordinates already.
        georeference: Georeference of the scene.

    Returns:
        The polygon in pixel coordinates (column, row); infinite outside the area of the scene's map projection.
    """
    if not georeference.placed:
        return polygon
    reproject = crs is not None and crs != georeference.crs
    if reproject or georeference.gcps:
        # Straight edges in one CRS are curves in another: 64 segments along the longer side approximate them.
        west, south, east, north = polygon.bounds
        polygon = shapely.segmentize(polygon, max(east - west, north - south) / 64)
    if reproject:
        transformer = Transformer.from_crs(crs, georeference.crs, always_xy=True)
        polygon = shapely.transform(polygon, lambda xy: np.column_stack(transformer.transform(*xy.T)))

    def to_pixel(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        if georeference.crs is not None and georeference.crs.is_geographic:
            middle, _ = georeference.to_map(georeference.width / 2, georeference.height / 2)
            xy = np.column_stack([xy[:, 0] - 360 * np.round((xy[:, 0] - middle) / 360), xy[:, 1]])
        return np.column_stack(georeference.to_pixel(xy[:, 0], xy[:, 1]))

    return shapely.transform(polygon, to_pixel)
