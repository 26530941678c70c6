"""Polygons of vector files in pixel coordinates of a scene."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.layers.repair import usable_polygons
from geoships.scene.layers.vector_file import layer_title, read_vector

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from geoships.scene.layers.vector_file import VectorLayer

Bounds = tuple[float, float, float, float]  # left, bottom, right, top in the units of a CRS
_LATITUDE, _LONGITUDE = 90.001, 540.001  # degrees; longitudes may count on beyond 180


@dataclass(frozen=True)
class PolygonLayer:
    """The polygons of a vector file.

    Attributes:
        polygons: Valid Polygons and MultiPolygons in pixel coordinates (column, row) of the scene.
        warnings: What was left out of the file, in one line, if anything was.
        apart: Why the layer as a whole does not overlap the scene, as far as it can be told; None if its extent
            overlaps the scene or it has no polygons.
        covers: Whether the extent of the layer covers the whole scene; True without polygons.
    """

    polygons: tuple[BaseGeometry, ...]
    warnings: tuple[str, ...] = ()
    apart: str | None = None
    covers: bool = True


def read_polygons(
    layer: VectorLayer, georeference: Georeference, layer_name: str, only: tuple[str, str] | None = None
) -> PolygonLayer:
    """Read the polygons of a layer, and convert them to pixel coordinates of a scene.

    A layer without a CRS is taken to be in pixel coordinates if the scene is not georeferenced, and in the scene's map
    coordinates otherwise.

    Args:
        layer: Vector file in any CRS, see `read_vector`, or a table.
        georeference: Georeference of the scene.
        layer_name: Name of the layer for messages, such as ``the area of interest``.
        only: (column, value): only rows with this value are read; None: all rows. A file without the column is read
            completely.

    Returns:
        The polygons that touch the scene's surroundings; no polygons for a layer without geometries.

    Raises:
        SceneError: The file cannot be read, has geometries of which none has an area, or its coordinates lie outside
            its CRS.
    """
    frame = read_vector(layer, layer_name) if isinstance(layer, Path) else layer
    if only and only[0] in frame:
        frame = frame[frame[only[0]] == only[1]]
    return polygon_layer(frame, georeference, layer_title(layer, layer_name))


def polygon_layer(frame: GeoDataFrame, georeference: Georeference, title: str) -> PolygonLayer:
    """Convert the rows of a vector file to pixel coordinates of a scene.

    Args:
        frame: Some of its rows, or all.
        georeference: Georeference of the scene.
        title: Name of the layer and its file for messages, from `layer_title`.

    Returns:
        As `read_polygons`.

    Raises:
        SceneError: As `read_polygons`.
    """
    usable = usable_polygons(frame.geometry)
    if usable.left_out and not usable.polygons:
        raise SceneError(f"{title} has no polygon with an area ({usable.summary}); draw polygons")
    if not usable.polygons:
        return PolygonLayer(())
    crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
    bounds = _bounds(usable.polygons)
    if wrong := _outside_crs(bounds, crs, georeference):
        raise SceneError(f"{title}: {wrong}")
    project = PixelProjection(crs, georeference)
    polygons = [project(polygon) for polygon in usable.polygons]
    if not all(polygon.is_empty or np.isfinite(polygon.bounds).all() for polygon in polygons):
        raise SceneError(
            f"{title}: its coordinates ({_text(bounds)}) lie outside {_name(crs or georeference.crs)}; "
            "state the CRS that they are in"
        )
    warnings = (f"{title}: {usable.summary}",) if usable.summary else ()
    return PolygonLayer(
        tuple(polygon for polygon in polygons if not polygon.is_empty),
        warnings,
        _apart(bounds, crs, georeference),
        _covers(bounds, crs, georeference),
    )


def digest_within(polygons: Sequence[BaseGeometry], bounds: Bounds) -> str:
    """SHA-256 of the part of polygons that lies in a box, in hexadecimal digits.

    It does not depend on what lies outside, nor on the order of polygons and vertices.

    Args:
        polygons: Valid polygons in pixel coordinates.
        bounds: The box: least column, least row, largest column, largest row.
    """
    box = shapely.box(*bounds)
    inside = shapely.union_all(shapely.intersection(list(polygons), box))
    if shapely.covers(inside, box):
        inside = box
    corners = shapely.simplify(shapely.normalize(inside), 0)  # without vertices along an edge
    return hashlib.sha256(shapely.to_wkb(corners, byte_order=1)).hexdigest()


def _bounds(polygons: tuple[BaseGeometry, ...]) -> Bounds:
    each = shapely.bounds(list(polygons))
    low, high = each[:, :2].min(axis=0), each[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _outside_crs(bounds: Bounds, crs: CRS | None, georeference: Georeference) -> str | None:
    """What coordinates look like that are no longitudes and latitudes although their CRS is geographic."""
    stated = crs or georeference.crs
    if not georeference.placed or stated is None or not stated.is_geographic:
        return None
    x, y = (max(abs(bounds[axis]), abs(bounds[axis + 2])) for axis in (0, 1))
    if x <= _LONGITUDE and y <= _LATITUDE:
        return None
    stated_in = f"its coordinates ({_text(bounds)}) are no longitudes and latitudes ({_name(stated)})"
    if x <= _LATITUDE and y <= 360:
        return f"{stated_in}; latitudes are from -90 to 90: perhaps x and y are swapped"
    if max(x, y) > 1000:
        scene = "" if georeference.crs is None or georeference.crs.is_geographic else _name(georeference.crs)
        such = f", such as {scene} of the scene" if scene else ""
        return f"{stated_in}; they look like metres of a projected CRS{such}: state it in the file"
    return f"{stated_in}; latitudes are from -90 to 90: correct them"


def _apart(bounds: Bounds, crs: CRS | None, georeference: Georeference) -> str | None:
    """Why an extent does not overlap the scene; None if it does."""
    if _overlaps(bounds, crs, georeference):
        return None
    left, bottom, right, top = bounds
    stated = crs or georeference.crs
    in_metres = georeference.placed and stated is not None and not stated.is_geographic
    if in_metres and max(abs(left), abs(right)) <= _LONGITUDE and max(abs(bottom), abs(top)) <= _LATITUDE:
        return f"its coordinates ({_text(bounds)}) look like degrees, not metres of {_name(stated)}; check its CRS"
    swapped = bottom, left, top, right
    if georeference.placed and not _outside_crs(swapped, crs, georeference) and _overlaps(swapped, crs, georeference):
        return f"with x and y swapped it would overlap; it reaches from {_text(bounds)}"
    return f"check its CRS; it reaches from {_text(bounds)}"


def _overlaps(bounds: Bounds, crs: CRS | None, georeference: Georeference) -> bool:
    extent = _extent(bounds, crs, georeference)
    return bool(shapely.intersects(extent, shapely.box(0, 0, georeference.width, georeference.height)))


def _covers(bounds: Bounds, crs: CRS | None, georeference: Georeference) -> bool:
    extent = _extent(bounds, crs, georeference)
    return bool(shapely.covers(extent, shapely.box(0, 0, georeference.width, georeference.height)))


def _extent(bounds: Bounds, crs: CRS | None, georeference: Georeference) -> BaseGeometry:
    """An extent in pixel coordinates; empty where it does not reach the scene's surroundings."""
    extent = PixelProjection(crs, georeference)(shapely.box(*bounds))
    return extent if extent.is_empty or np.isfinite(extent.bounds).all() else shapely.Polygon()


def _text(bounds: Bounds) -> str:
    left, bottom, right, top = (f"{value:.10g}" for value in bounds)
    return f"{left} {bottom} to {right} {top}"


def _name(crs: CRS | None) -> str:
    return "its CRS" if crs is None else ":".join(crs.to_authority() or (crs.name,))
