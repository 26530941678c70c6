"""Geometries in longitude and latitude, split where they cross the antimeridian."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon, affinity
from shapely.geometry.base import BaseGeometry


def cut_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Split a geometry in longitude and latitude so that its parts lie within -180 to 180 degrees.

    Args:
        geometry: Polygon or MultiPolygon in degrees, less than 180 degrees wide. Longitudes may be wrapped to
            -180 to 180 degrees or not.

    Returns:
        The geometry itself where it does not cross the antimeridian, otherwise a Polygon or a MultiPolygon.

    >>> cut_at_antimeridian(shapely.box(179, 0, 181, 1)).bounds
    (-180.0, 0.0, 180.0, 1.0)
    """
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180 and east - west <= 180:
        return geometry
    first = (shapely.get_coordinates(geometry)[0, 0] + 180) % 360 - 180

    def unwrapped(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        lon = first + (lonlat[:, 0] - first + 180) % 360 - 180
        return np.column_stack([lon, lonlat[:, 1]])

    whole = shapely.make_valid(shapely.transform(geometry, unwrapped))
    parts: list[Polygon] = []
    for turn in (-360, 0, 360):
        inside = shapely.intersection(whole, shapely.box(turn - 180, -90, turn + 180, 90))
        parts += _polygons(affinity.translate(inside, -turn))
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons in a geometry, without the lines and points where it only touches the antimeridian."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]
