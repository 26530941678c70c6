"""Marks detections that are known to stand fixed: platforms, wind turbines, buoys, pier heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geoships.errors import SceneError
from geoships.output.attributes import measure_all
from geoships.output.same_outline import Outlines, Sizes, found_again
from geoships.output.ship_filter import DetectedShip
from geoships.scene.georeference import Georeference
from geoships.scene.layers.vector_file import read_vector

_LONLAT = Georeference(1, 1, Affine.identity(), CRS(4326))  # whose pixels are degrees


def read_fixed(path: Path) -> Outlines:
    """Read what stands fixed.

    Args:
        path: Vector file of polygons or points, in any CRS; one without a CRS is in longitude and latitude. Sizes are
            those of its columns `length_m`, `width_m` and `heading_deg`, else those of the polygons; points without
            them have no size, and fit any.

    Raises:
        SceneError: It cannot be read.
    """
    import pandas as pd  # it takes most of a second

    frame = read_vector(path, "the fixed structures")
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    frame = frame.set_crs(4326) if frame.crs is None else frame.to_crs(4326)
    shapes = np.asarray(frame.geometry.to_numpy(), np.object_)
    centres = shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2)
    sides = np.full((len(shapes), 3), np.nan)
    areas = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    for number, measures in zip(areas.tolist(), measure_all(list(shapes[areas]), _LONLAT), strict=True):
        sides[number] = [_number(side) for side in (measures.length_m, measures.width_m, measures.heading_deg)]
    for column, name in enumerate(("length_m", "width_m", "heading_deg")):
        if name in frame:
            stated = np.asarray(pd.to_numeric(frame[name], errors="coerce"), np.float64)
            sides[:, column] = np.where(np.isfinite(stated), stated, sides[:, column])
    return Outlines(centres[:, 0], centres[:, 1], Sizes(*sides.T))


def mark_fixed(ships: Sequence[DetectedShip], known: Outlines) -> list[DetectedShip]:
    """Mark the detections that are what stands fixed.

    Args:
        ships: Detections of a georeferenced scene.
        known: What stands fixed.

    Raises:
        SceneError: The scene is not georeferenced.
    """
    measures = [ship.measures for ship in ships]
    if any(each.lon is None for each in measures):
        raise SceneError("--fixed needs a georeferenced scene; leave it out, or add a CRS and a geotransform")
    columns = np.array(
        [[_number(each.lon), _number(each.lat), _number(each.length_m), _number(each.width_m),
          _number(each.heading_deg)] for each in measures], np.float64,
    ).reshape(-1, 5)  # fmt: skip
    lon, lat, length, width, heading = columns.T
    again = found_again(Outlines(lon, lat, Sizes(length, width, heading)), known).tolist()
    return [replace(ship, fixed=is_fixed) for ship, is_fixed in zip(ships, again, strict=True)]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
