"""The place of a scene on Earth, as a bounding box in degrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.scene.georeference import Georeference

Box = tuple[float, float, float, float]  # west, south, east, north in degrees; see place_of

_EDGE_POINTS = 9  # points on each edge of a scene that its place is computed from


def place_of(georeference: Georeference) -> Box | None:
    """West, south, east and north of a scene in degrees (WGS 84), as in the STAC specification.

    West is greater than east across the antimeridian. None for a scene without georeference, or one that reaches
    beyond the area of its map projection.
    """
    if not georeference.placed:
        return None
    steps = np.linspace(0, 1, _EDGE_POINTS)
    columns, rows = (grid.ravel() * side for grid, side in zip(
        np.meshgrid(steps, steps), (georeference.width, georeference.height), strict=True
    ))  # fmt: skip
    longitudes, latitudes = georeference.to_lonlat(columns, rows)
    if not (np.isfinite(longitudes).all() and np.isfinite(latitudes).all()):
        return None
    centre = longitudes[longitudes.size // 2]
    unwrapped = centre + (longitudes - centre + 180) % 360 - 180
    west, east = (_wrapped(float(edge)) for edge in (unwrapped.min(), unwrapped.max()))
    return west, float(latitudes.min()), east, float(latitudes.max())


def enclosing(boxes: Sequence[Box]) -> Box:
    """The box around some boxes that lie near each other, less than half the globe apart.

    >>> enclosing([(179.0, 0.0, -179.5, 1.0), (-179.8, -1.0, -179.0, 0.5)])
    (179.0, -1.0, -179.0, 1.0)
    """
    centre = boxes[0][0]
    wests = [centre + (box[0] - centre + 180) % 360 - 180 for box in boxes]
    easts = [west + (box[2] - box[0]) % 360 for west, box in zip(wests, boxes, strict=True)]
    south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
    return _wrapped(min(wests)), south, _wrapped(max(easts)), north


def overlap(first: Box, second: Box) -> bool:
    """Whether two boxes share area."""
    return bool(bbox_shape(first).intersection(bbox_shape(second)).area)


def bbox_shape(bbox: Sequence[float]) -> BaseGeometry:
    """Convert a bounding box to a geometry.

    Args:
        bbox: (west, south, east, north) in degrees.

    Returns:
        A polygon in degrees; a multipolygon of two parts if the box crosses the antimeridian (west greater than east).
    """
    west, south, east, north = bbox
    if west < east:
        return shapely.box(west, south, east, north)
    return shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180
