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

    return cut_continuous(shapely.make_valid(shapely.transform(geometry, unwrapped)))


def cut_continuous(geometry: BaseGeometry) -> BaseGeometry:
    """Split a geometry whose longitudes do not jump, so that its parts lie within -180 to 180 degrees.

    Args:
        geometry: Valid Polygon or MultiPolygon in degrees, up to 360 degrees wide, with longitudes from -900 to 900.

    Returns:
        A Polygon or a MultiPolygon.

    >>> cut_continuous(shapely.box(-300, 80, 60, 90)).bounds
    (-180.0, 80.0, 180.0, 90.0)
    """
    parts: list[Polygon] = []
    for turn in (-720, -360, 0, 360, 720):
        inside = shapely.intersection(geometry, shapely.box(turn - 180, -90, turn + 180, 90))
        parts += _polygons(affinity.translate(inside, -turn))
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons in a geometry, without the lines and points where it only touches the antimeridian."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]
