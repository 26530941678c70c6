"""Outlines that people have drawn: whether they are polygons, and their measures."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS
from shapely.errors import ShapelyError

from geoships.output.attributes import measure_all
from geoships.scene.georeference import Georeference

VERTICES = 10_000
_DEGREES = Georeference(1, 1, Affine.identity(), CRS.from_epsg(4326))  # whose pixels are longitude and latitude


def polygon_of(geometry: Any) -> dict[str, Any]:
    """A polygon that comes from outside, as GeoJSON in longitude and latitude.

    Raises:
        ValueError: It is not a valid polygon in degrees, or has more than `VERTICES` vertices.
    """
    try:
        shape = shapely.geometry.shape(geometry)
        usable = shape.geom_type in ("Polygon", "MultiPolygon") and shape.is_valid and shape.area > 0
        west, south, east, north = shape.bounds
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        usable, west, south, east, north = False, 0, 0, 0, 0
    if not usable or not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise ValueError("expected a valid GeoJSON polygon in degrees")
    if shapely.get_num_coordinates(shape) > VERTICES:
        raise ValueError(f"a polygon has at most {VERTICES} vertices")
    plain: dict[str, Any] = json.loads(json.dumps(shapely.geometry.mapping(shapely.force_2d(shape))))
    return plain


def measures_of(geometry: dict[str, Any]) -> dict[str, float | None]:
    """Area, length, width and heading of an outline, and the place of its centre.

    The margin by which a model's outlines exceed hulls is not subtracted: people draw the hull itself.

    Args:
        geometry: GeoJSON polygon in longitude and latitude.

    Returns:
        The properties ``area_m2``, ``length_m``, ``width_m``, ``heading_deg``, ``lon`` and ``lat`` of a ship.
    """
    return dict(_measured(json.dumps(geometry)))


@lru_cache(maxsize=4096)
def _measured(text: str) -> dict[str, float | None]:
    outline = shapely.from_geojson(text)
    assert isinstance(outline, shapely.Polygon | shapely.MultiPolygon), "corrections are checked when they come in"
    with np.errstate(all="ignore"):  # an outline of the whole Earth has measures that are no numbers
        (measures,) = measure_all([outline], _DEGREES)
    return asdict(measures)
