"""A scene and its ships in the coordinates of a web map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio.warp
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.transform import from_bounds
from shapely.geometry.base import BaseGeometry

from geoships.scene.georeference import Georeference
from geoships.scene.quicklook import Overview

Floats = NDArray[np.float64]

RADIUS = 6378137.0  # metres; radius of the sphere of Web Mercator (EPSG:3857)
MAX_LATITUDE = 84.0  # degrees; beyond, the scale of the Mercator projection is too distorted to be useful


@dataclass(frozen=True)
class Canvas:
    """The coordinates that a page draws in: Web Mercator, or the scene's pixels where it does not fit on such a map.

    Coordinates of the canvas are (y, x): (latitude, longitude) in degrees, with longitudes beyond 180 where a scene
    crosses the antimeridian, or (-row, column) in pixels.

    Attributes:
        georeference: Of the scene.
        middle: Central longitude of the map, in degrees; None for pixels.
    """

    georeference: Georeference
    middle: float | None

    @classmethod
    def of(cls, georeference: Georeference) -> Canvas:
        """Choose the canvas of a scene: pixels where it is not georeferenced, near a pole, or over 180 degrees wide."""
        outline = _outline(georeference) if georeference.placed else None
        if outline is None or np.abs(outline[:, 1]).max() > MAX_LATITUDE or np.ptp(outline[:, 0]) > 180:
            return cls(georeference, None)
        return cls(georeference, float((outline[:, 0].min() + outline[:, 0].max()) / 2))

    @property
    def on_map(self) -> bool:
        """Whether the canvas is a map in Web Mercator."""
        return self.middle is not None

    def render(self, overview: Overview, size: int) -> tuple[NDArray[np.uint8], list[list[float]]]:
        """Render the overview of the scene: reprojected north up on a map, unchanged in pixels.

        Args:
            overview: Of the scene.
            size: Maximum length of the longer side of a map, in pixels.

        Returns:
            Red, green, blue and alpha, (rows, columns, 4), and the corners [[low y, low x], [high y, high x]].
        """
        rgba = np.dstack([overview.image, np.where(overview.valid, 255, 0).astype(np.uint8)])
        scene = self.georeference
        if self.middle is None:
            return rgba, [[-scene.height, 0], [0, scene.width]]
        outline = _outline(scene)
        assert outline is not None
        x, y = _mercator(outline[:, 0] - self.middle, outline[:, 1])
        west, south, east, north = float(x.min()), float(y.min()), float(x.max()), float(y.max())
        metres = max((east - west), (north - south)) / min(size, max(overview.valid.shape))
        rows, columns = max(1, round((north - south) / metres)), max(1, round((east - west) / metres))
        warped = np.zeros((4, rows, columns), np.uint8)
        rasterio.warp.reproject(
            np.ascontiguousarray(np.moveaxis(rgba, 2, 0)),
            warped,
            src_crs=None if scene.crs is None else scene.crs.to_wkt(),
            **_georeferencing(scene, overview.scale),
            dst_transform=from_bounds(west, south, east, north, columns, rows),
            dst_crs=f"+proj=merc +a={RADIUS} +b={RADIUS} +lon_0={self.middle!r} +units=m +nadgrids=@null +no_defs",
            src_alpha=4,
            resampling=Resampling.bilinear,
        )
        low, high = (self._lonlat(point) for point in ((west, south), (east, north)))
        return np.moveaxis(warped, 0, 2), [[low[1], low[0]], [high[1], high[0]]]

    def project(self, ships: Sequence[BaseGeometry], pixels: Sequence[BaseGeometry], crs: CRS | None) -> list[Floats]:
        """Project the vertices of ships to the canvas.

        Args:
            ships: Polygons in `crs`, or in the scene's map coordinates without one.
            pixels: The same polygons in pixel coordinates (column, row).
            crs: Of `ships`.

        Returns:
            Vertices (y, x) of each ship, (vertices, 2), in the order of shapely.get_coordinates.
        """
        if self.middle is None:
            return [coordinates[:, ::-1] * (-1, 1) for coordinates in map(shapely.get_coordinates, pixels)]
        source = crs or self.georeference.crs
        counts = [shapely.get_num_coordinates(ship) for ship in ships]
        x, y = shapely.get_coordinates(list(ships)).T
        lon, lat = Transformer.from_crs(source, 4326, always_xy=True).transform(x, y)
        lon = lon - 360 * np.round((lon - self.middle) / 360)
        return np.split(np.column_stack([lat, lon]), np.cumsum(counts)[:-1]) if counts else []

    def _lonlat(self, point: tuple[float, float]) -> tuple[float, float]:
        assert self.middle is not None
        lat = np.degrees(2 * np.arctan(np.exp(point[1] / RADIUS)) - np.pi / 2)
        return self.middle + float(np.degrees(point[0] / RADIUS)), float(lat)


def _mercator(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Web Mercator coordinates (x, y) in metres (Snyder 1987, Map Projections: A Working Manual, section 7)."""
    return RADIUS * np.radians(lon), RADIUS * np.log(np.tan(np.pi / 4 + np.radians(lat) / 2))


def _outline(scene: Georeference) -> Floats | None:
    """Longitude and latitude along the scene's edges, (points, 2), unwrapped; None where they are not known."""
    along, zero = np.linspace(0, 1, 65), np.zeros(65)
    columns = np.concatenate([along, zero + 1, along[::-1], zero]) * scene.width
    rows = np.concatenate([zero, along, zero + 1, along[::-1]]) * scene.height
    try:
        lon, lat = scene.to_lonlat(columns, rows)
    except ProjError:
        return None
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    lon = np.unwrap(lon, period=360)
    return None if abs(lon[-1] - lon[0]) > 1 else np.column_stack([lon, lat])  # otherwise the scene contains a pole


def _georeferencing(scene: Georeference, scale: tuple[float, float]) -> dict[str, object]:
    """Transform or ground control points of an overview, for rasterio. scale: overview pixels per scene pixel."""
    across, down = scale
    if scene.transform is not None:
        return {"src_transform": scene.transform @ Affine.scale(1 / across, 1 / down)}
    points = [GroundControlPoint(p.row * down, p.col * across, p.x, p.y, p.z) for p in scene.gcps]
    return {"gcps": points}
