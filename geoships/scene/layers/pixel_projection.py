"""Converts polygons of any CRS and size to pixel coordinates of a scene."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from geoships.scene.georeference import Georeference

Bounds = tuple[float, float, float, float]  # west, south, east, north

MARGIN = 5.0  # degrees around the scene, at the equator 550 km: every map projection reaches that far
NEAR_POLE = 89.0  # degrees of latitude, beyond which the surroundings have all longitudes
_STEPS = np.linspace(0, 1, 17)
_CELLS = 32


class PixelProjection:
    """Converts polygons of a CRS to pixel coordinates of a scene.

    A polygon that reaches farther than the scene's map projection, such as the whole world, is clipped to the scene's
    surroundings first. Longitudes may exceed 180 degrees, in the polygon and in the scene: they are taken modulo 360.
    Straight edges in one CRS are curves in another: each is divided into short segments.

    Args:
        crs: CRS of the polygons; None: the scene's map coordinates. Ignored if the scene is not georeferenced: then the
            polygons are in pixel coordinates already.
        georeference: Georeference of the scene.
    """

    def __init__(self, crs: CRS | None, georeference: Georeference) -> None:
        self._georeference = georeference
        self._source = crs or georeference.crs
        self._from_degrees = bool(self._source is not None and self._source.is_geographic)
        self._reproject = self._source is not None and self._source != georeference.crs

    def __call__(self, polygon: BaseGeometry) -> BaseGeometry:
        """Convert a polygon.

        Args:
            polygon: Valid Polygon or MultiPolygon.

        Returns:
            The polygon in pixel coordinates (column, row), clipped to the scene's surroundings where it extends beyond
            them, and empty where it does not touch them; infinite outside the area of the scene's map projection.
        """
        if not self._georeference.placed or polygon.is_empty:
            return polygon
        for bounds in (self._surroundings, self._scene):
            pixels = self._transform(polygon, bounds)
            if pixels.is_empty or np.isfinite(pixels.bounds).all():
                return pixels
        return pixels

    def _transform(self, polygon: BaseGeometry, surroundings: Bounds | None) -> BaseGeometry:
        near, clipped = polygon, False
        if surroundings is not None and self._from_degrees:
            near, clipped = _clip_longitudes(polygon, surroundings, self._middle, self._scene)
        elif surroundings is not None and (self._reproject or self._georeference.gcps):
            near, clipped = _clip(polygon, self._cells(surroundings))
        if near.is_empty:
            return Polygon()
        if self._reproject or self._georeference.gcps:
            west, south, east, north = near.bounds
            near = shapely.segmentize(near, max(east - west, north - south) / (512 if clipped else 64))
        pixels = shapely.transform(near, self._to_pixel)
        return pixels if not np.isfinite(pixels.bounds).all() else shapely.make_valid(pixels)

    def _to_pixel(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        scene = self._georeference
        x, y = self._to_scene.transform(*xy.T) if self._reproject else xy.T
        if scene.crs is not None and scene.crs.is_geographic:
            # PROJ wraps longitudes; those of the clipped polygon are continuous already
            reference = xy[:, 0] if self._from_degrees else np.full(len(xy), self._middle)
            x = x + 360 * np.round((reference - x) / 360)
        return np.column_stack(scene.to_pixel(x, y))

    @cached_property
    def _to_scene(self) -> Transformer:
        return Transformer.from_crs(self._source, self._georeference.crs, always_xy=True)

    @cached_property
    def _scene(self) -> Bounds | None:
        """Bounds of the scene in degrees, west of -180 or east of 180 where it crosses the antimeridian."""
        scene = self._georeference
        columns, rows = (grid.ravel() for grid in np.meshgrid(_STEPS * scene.width, _STEPS * scene.height))
        if scene.crs is not None and scene.crs.is_geographic:
            lon, lat = scene.to_map(columns, rows)
        else:
            lon, lat = scene.to_lonlat(columns, rows)
            lon = self._middle + (lon - self._middle + 180) % 360 - 180
        known = np.isfinite(lon) & np.isfinite(lat)
        if not known.any():
            return None
        west, south, east, north = lon[known].min(), lat[known].min(), lon[known].max(), lat[known].max()
        south, north = (-90.0 if self._holds_pole(-90) else south), (90.0 if self._holds_pole(90) else north)
        return float(west), float(max(south, -90)), float(east), float(min(north, 90))

    @cached_property
    def _middle(self) -> float:
        """Longitude of the scene's centre."""
        scene = self._georeference
        centre = scene.width / 2, scene.height / 2
        geographic = scene.crs is not None and scene.crs.is_geographic
        lon, _ = scene.to_map(*centre) if geographic else scene.to_lonlat(*centre)
        return float(lon) if np.isfinite(lon) else 0.0

    def _holds_pole(self, latitude: float) -> bool:
        scene = self._georeference
        x, y = Transformer.from_crs(4326, scene.crs, always_xy=True).transform(0, latitude)
        if scene.crs is None or scene.crs.is_geographic or not np.isfinite([x, y]).all():
            return False
        column, row = scene.to_pixel(x, y)
        return bool(0 <= column <= scene.width and 0 <= row <= scene.height)

    @cached_property
    def _surroundings(self) -> Bounds | None:
        """Bounds of the scene in degrees with a margin."""
        if self._scene is None:
            return None
        west, south, east, north = self._scene
        width, height = east - west, north - south
        in_degrees = self._from_degrees and self._georeference.crs is not None and self._georeference.crs.is_geographic
        if in_degrees and not self._georeference.gcps:
            return self._around(360, -90, 90)  # a projection that reaches everywhere
        margin = max(width, height) if self._georeference.gcps else max(MARGIN, height)
        south, north = max(south - margin, -90.0), min(north + margin, 90.0)
        farthest = max(abs(south), abs(north))
        if farthest >= NEAR_POLE:
            return self._around(360, south, north)
        return self._around(width + 2 * max(width, margin / np.cos(np.radians(farthest))), south, north)

    def _around(self, width: float, south: float, north: float) -> Bounds:
        """Bounds of a width around the scene: at least the scene's, at most 360 degrees."""
        assert self._scene is not None
        west, _, east, _ = self._scene
        half = max(min(width, 360.0), east - west) / 2
        middle = (west + east) / 2
        return middle - half, south, middle + half, north

    def _cells(self, bounds: Bounds) -> BaseGeometry:
        """Bounds in degrees on the map of the polygons' CRS: the union of small rectangles.

        Each is the extent of a small cell of longitude and latitude, so that a map which is cut, at the antimeridian
        for example, has a part on each side.
        """
        west, south, east, north = bounds
        cuts = [cut + side for cut in (-540, -180, 180, 540) for side in (-1e-9, 1e-9) if west < cut < east]
        lon = np.sort([*np.linspace(west, east, _CELLS + 1), *cuts])
        lat = np.linspace(south, north, _CELLS + 1)
        x, y = Transformer.from_crs(4326, self._source, always_xy=True).transform(*np.meshgrid(lon, lat))
        corners = [np.stack([v[:-1, :-1], v[:-1, 1:], v[1:, :-1], v[1:, 1:]]) for v in (np.asarray(x), np.asarray(y))]
        (left, bottom), (right, top) = ([v.min(axis=0) for v in corners], [v.max(axis=0) for v in corners])
        size = np.maximum(right - left, top - bottom)
        known = np.isfinite(size)
        if not known.any():
            return Polygon()
        known &= size <= 20 * np.median(size[known])
        return shapely.union_all(shapely.box(left[known], bottom[known], right[known], top[known]))


def _clip(polygon: BaseGeometry, region: BaseGeometry) -> tuple[BaseGeometry, bool]:
    """Clip a polygon to a region; returns whether that changed it."""
    return (polygon, False) if shapely.covers(region, polygon) else (shapely.intersection(polygon, region), True)


def _clip_longitudes(
    polygon: BaseGeometry, region: Bounds, middle: float, scene: Bounds | None
) -> tuple[BaseGeometry, bool]:
    """Clip a polygon in degrees, and its copies 360 degrees to the east and west, to a region."""
    polygon = _nearest_longitudes(polygon, middle, scene)
    west, _, east, _ = polygon.bounds
    turns = range(int(np.ceil((region[0] - east) / 360)), int(np.floor((region[2] - west) / 360)) + 1)
    box = shapely.box(*region)
    copies = [_clip(shapely.affinity.translate(polygon, 360 * turn) if turn else polygon, box) for turn in turns]
    kept = [copy for copy in copies if copy[0].area > 0]
    if len(kept) == 1:
        return kept[0]
    return shapely.union_all([copy for copy, _ in kept]), True


def _nearest_longitudes(polygon: BaseGeometry, middle: float, scene: Bounds | None) -> BaseGeometry:
    """Undo the jump of 360 degrees in a polygon across the antimeridian that was not cut there, as RFC 7946 wants it.

    Such a polygon seems to reach around the world. It is taken for one across the antimeridian only if the scene lies
    in that, and not in what the polygon seems to be.
    """
    west, _, east, _ = polygon.bounds
    if east - west <= 180 or scene is None:
        return polygon

    def nearest(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([xy[:, 0] - 360 * np.round((xy[:, 0] - middle) / 360), xy[:, 1]])

    across = shapely.transform(polygon, nearest)
    box = shapely.box(*scene)
    seems = [shapely.affinity.translate(polygon, turn) for turn in (-360, 0, 360)]
    if not across.is_valid or any(shapely.intersects(each, box) for each in seems):
        return polygon
    return across if shapely.intersects(across, box) and across.bounds[2] - across.bounds[0] < 180 else polygon
