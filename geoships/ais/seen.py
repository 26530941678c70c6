"""The area that was seen, and clouds over it, in metres around the ships of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from geoships.ais.tracks import Floats, unit_vectors
from geoships.errors import GeoshipsError
from geoships.scene.layers.repair import usable_polygons
from geoships.scene.layers.vector_file import read_vector

AROUND_SHIPS = 2_000.0  # metres around the hull of the ships, which stands for an area that is not given


@dataclass(frozen=True)
class Plane:
    """A plane in metres, true to distances from its centre.

    Attributes:
        lon: Longitude of the centre in degrees.
        lat: Its latitude.
    """

    lon: float
    lat: float

    @property
    def crs(self) -> CRS:
        """Azimuthal equidistant around the centre."""
        return CRS(proj="aeqd", lon_0=self.lon, lat_0=self.lat, datum="WGS84", units="m")

    def project(self, series: geopandas.GeoSeries) -> NDArray[np.object_]:
        """Geometries in the plane."""
        return np.asarray(series.to_crs(self.crs))

    def points(self, lon: Floats, lat: Floats) -> NDArray[np.object_]:
        """Places in degrees as points of the plane."""
        return self.project(geopandas.GeoSeries(shapely.points(lon, lat), crs=4326))


def plane_around(lon: Floats, lat: Floats) -> Plane:
    """The plane around the middle of places in degrees, wherever on Earth they are."""
    x, y, z = unit_vectors(lon, lat).mean(axis=0).tolist()
    return Plane(float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y)))))


def read_layer(path: Path, what: str) -> geopandas.GeoSeries:
    """Read polygons of a vector file.

    Args:
        path: The file; one without a CRS is in longitude and latitude.
        what: Names the file in errors.

    Raises:
        GeoshipsError: The file cannot be read, or has no polygon.
    """
    frame = read_vector(path, what)
    usable = usable_polygons(frame.geometry)
    if not usable.polygons:
        raise GeoshipsError(f"{what} {path} has no polygon with an area; draw polygons")
    return geopandas.GeoSeries(list(usable.polygons), crs=frame.crs or 4326)


def seen_area(layer: geopandas.GeoSeries | None, plane: Plane, ships: NDArray[np.object_]) -> BaseGeometry:
    """The area that was seen, in the plane.

    Args:
        layer: Its polygons, if they are known.
        plane: The plane.
        ships: Ships in the plane; their hull stands for an unknown area.
    """
    if layer is None:
        return shapely.buffer(shapely.convex_hull(shapely.union_all(ships)), AROUND_SHIPS)
    return shapely.union_all(plane.project(layer))
