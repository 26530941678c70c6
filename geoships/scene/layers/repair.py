"""Polygons of geometries as they come in real files: collections, lines, spikes, open rings, missing coordinates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

_PLURALS = {
    "point": "points",
    "line": "lines",
    "polygon without area": "polygons without area",
    "empty geometry": "empty geometries",
    "shape with coordinates that are not finite": "shapes with coordinates that are not finite",
}
_KINDS = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "LinearRing": "line",
    "MultiLineString": "line",
}


@dataclass(frozen=True)
class UsablePolygons:
    """What could be used of some geometries.

    Attributes:
        polygons: A valid Polygon or MultiPolygon with an area for each geometry that has one, without heights.
        left_out: Number of shapes that have no area, by kind.
        total: Number of shapes; the members of a GeometryCollection count one by one.
    """

    polygons: tuple[BaseGeometry, ...]
    left_out: Counter[str]
    total: int

    @property
    def summary(self) -> str | None:
        """What was left out, such as ``left out 2 of 4 shapes: 1 line, 1 point``; None if nothing was."""
        return left_out_summary(self.left_out, self.total)


def left_out_summary(left_out: Counter[str], total: int) -> str | None:
    """Say what was left out of some shapes.

    >>> left_out_summary(Counter({"line": 2, "point": 1}), 7)
    'left out 3 of 7 shapes: 2 lines, 1 point'

    Args:
        left_out: Number of shapes by kind.
        total: Number of all shapes.

    Returns:
        The text; None if nothing was left out.
    """
    if not left_out.total():
        return None
    kinds = ", ".join(
        f"{count} {kind if count == 1 else _PLURALS.get(kind, kind)}" for kind, count in sorted(left_out.items())
    )
    return f"left out {left_out.total()} of {total} shapes: {kinds}"


def usable_polygons(geometries: Iterable[BaseGeometry | None]) -> UsablePolygons:
    """Take the polygons of geometries of any type, repaired.

    Args:
        geometries: Geometries with or without heights and measures, valid or not; None for a missing one.

    Returns:
        One polygon or multipolygon per geometry that has an area, and what was left out.
    """
    polygons, left_out, total = [], Counter[str](), 0
    for geometry in geometries:
        usable = []
        for shape in _members(geometry):
            total += 1
            reason = _unusable(shape)
            found = polygons_of(shape) if shape is not None and reason is None else None
            if found is None:
                left_out[reason or "polygon without area"] += 1
            else:
                usable.append(found)
        if usable:
            polygons.append(usable[0] if len(usable) == 1 else shapely.union_all(usable))
    return UsablePolygons(tuple(polygons), left_out, total)


def polygons_of(geometry: BaseGeometry) -> BaseGeometry | None:
    """Return the polygons of a geometry with finite coordinates, made valid; None if it has no area.

    Spikes, which become lines when a polygon is made valid, are dropped.
    """
    valid = shapely.make_valid(shapely.force_2d(geometry))
    if valid.geom_type in ("Polygon", "MultiPolygon"):
        return valid if valid.area > 0 else None
    parts = [part for part in shapely.get_parts(shapely.get_parts(valid)) if part.geom_type == "Polygon"]
    polygons = shapely.union_all([part for part in parts if part.area > 0])
    return polygons if polygons.area > 0 else None


def _members(geometry: BaseGeometry | None) -> list[BaseGeometry | None]:
    """The members of a collection, at any depth; the geometry itself if it is none."""
    if geometry is None or geometry.geom_type != "GeometryCollection" or geometry.is_empty:
        return [geometry]
    return [member for part in shapely.get_parts(geometry) for member in _members(part)]


def _unusable(shape: BaseGeometry | None) -> str | None:
    """The kind of a shape that has no area; None if it may have one."""
    if shape is None or shape.is_empty:
        return "empty geometry"
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return "shape with coordinates that are not finite"
    return _KINDS.get(shape.geom_type)
