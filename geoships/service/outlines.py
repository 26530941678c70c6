"""Measures of outlines that people have drawn."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geoships.output.attributes import measure_all
from geoships.scene.georeference import Georeference

_DEGREES = Georeference(1, 1, Affine.identity(), CRS.from_epsg(4326))  # whose pixels are longitude and latitude


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
