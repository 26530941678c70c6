"""Distances of ships to land."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import RASTER_SUFFIXES, read_labels
from geoships.scene.layers.polygons import PolygonLayer, read_polygons


def read_land(path: Path, georeference: Georeference) -> PolygonLayer:
    """Read a land layer.

    Args:
        path: A vector file of polygons in any CRS, or a raster on the scene's grid that is 0 where there is no land.
        georeference: Of the scene.

    Returns:
        Land polygons in pixel coordinates (column, row); polygons far from the scene are left out.

    Raises:
        SceneError: For a file that cannot be read, and for a raster of another size than the scene.
    """
    if path.suffix.lower() in RASTER_SUFFIXES:
        return PolygonLayer(read_labels(path, georeference).ships)
    return read_polygons(path, georeference, "the land layer")


def land_distances(
    ships: Sequence[BaseGeometry], land: Sequence[BaseGeometry], pixel_size: tuple[float, float]
) -> list[float]:
    """Distance from the edge of each ship to the nearest land.

    Args:
        ships: Polygons in pixel coordinates (column, row).
        land: Land polygons, likewise.
        pixel_size: Size of the central pixel in metres, (across, down), used for the whole scene.

    Returns:
        Metres, one per ship: 0 where it touches land, infinite without land.
    """
    if not land:
        return [float("inf")] * len(ships)
    tree = shapely.STRtree(_in_metres(land, pixel_size))
    _, distance = tree.query_nearest(_in_metres(ships, pixel_size), return_distance=True, all_matches=False)
    return [float(metres) for metres in distance]


def _in_metres(polygons: Sequence[BaseGeometry], pixel_size: tuple[float, float]) -> list[BaseGeometry]:
    return [shapely.transform(polygon, lambda xy: xy * np.array(pixel_size)) for polygon in polygons]
