"""How far ships are from land."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import RASTER_SUFFIXES, read_labels
from geoships.scene.layers.polygons import read_polygons


def read_land(path: Path, georeference: Georeference) -> list[BaseGeometry]:
    """Read land as polygons in pixel coordinates.

    path: a vector file of polygons in any CRS, or a raster on the scene's grid that is 0 where there is no land.
    Raises SceneError for files that cannot be read, and for rasters of another size than the scene.
    """
    if path.suffix.lower() in RASTER_SUFFIXES:
        return list(read_labels(path, georeference).ships)
    return read_polygons(path, georeference, "the land layer")


def land_distances(
    ships: Sequence[BaseGeometry], land: Sequence[BaseGeometry], pixel_size: tuple[float, float]
) -> list[float]:
    """Metres from the edge of each ship to the nearest land, 0 where they touch; infinite without land.

    ships, land: in pixel coordinates. pixel_size: metres of the central pixel (across, down), taken for all.
    """
    if not land:
        return [float("inf")] * len(ships)
    tree = shapely.STRtree(_in_metres(land, pixel_size))
    _, distance = tree.query_nearest(_in_metres(ships, pixel_size), return_distance=True, all_matches=False)
    return [float(metres) for metres in distance]


def _in_metres(polygons: Sequence[BaseGeometry], pixel_size: tuple[float, float]) -> list[BaseGeometry]:
    return [shapely.transform(polygon, lambda xy: xy * np.array(pixel_size)) for polygon in polygons]
