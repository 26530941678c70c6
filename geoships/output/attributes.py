"""How large a ship is, where it is and which way it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from shapely import MultiPolygon, Polygon

from geoships.scene.georeference import WGS84, Georeference

Floats = NDArray[np.float64]

# Sides that differ by less tell no direction: a pixel that is square on the map is not quite square on
# the ellipsoid, by up to two thirds of a percent in Web Mercator.
_SQUARE = 0.01

# Finer digits of a heading are noise of the arithmetic.
_HEADING_DECIMALS = 6


@dataclass(frozen=True)
class Measures:
    """True measures on the WGS 84 ellipsoid; all None where the place on Earth is not known.

    area_m2: area without holes, in square metres.
    length_m, width_m: long and short side of the least rectangle around the ship, in metres.
    heading_deg: direction of the long side, 0 <= heading < 180 degrees clockwise from true north. Where the
        sides are equal within one percent, the direction of the one closer to north.
    lon, lat: the centroid, in degrees; -180 <= lon < 180.
    """

    area_m2: float | None = None
    length_m: float | None = None
    width_m: float | None = None
    heading_deg: float | None = None
    lon: float | None = None
    lat: float | None = None


def measure(polygon: Polygon | MultiPolygon, georeference: Georeference) -> Measures:
    """Measure a polygon, not empty, in the scene's pixel coordinates (column, row).

    The scene's projection leaves no trace in the measures. The area lies between geodesics from vertex to
    vertex (Karney 2013, Algorithms for geodesics, section 6). Sides and heading are those in the azimuthal
    equidistant plane around the centroid, x = s sin(a), y = s cos(a) with geodesic distance s and azimuth a
    (Snyder 1987, Map Projections: A Working Manual, section 25), whose scale is off by less than one part
    in a million up to ten kilometres from the centroid.

    All measures are None for a scene without a place on Earth and for a polygon off the scene's projection.
    """
    lonlat = _lonlat(polygon, georeference)
    if lonlat is None:
        return Measures()
    centre, vertices = lonlat[0], lonlat[1:]
    plane = shapely.transform(polygon, lambda _: _local_metres(centre, vertices))
    length, width, heading = _long_axis(plane)
    area = _area(shapely.transform(polygon, lambda _: vertices))
    return Measures(area, length, width, heading, *centre.tolist())


def _lonlat(polygon: Polygon | MultiPolygon, georeference: Georeference) -> Floats | None:
    """Longitude and latitude of the centroid and then of all vertices, (1 + vertices, 2); None where unknown."""
    if not georeference.placed:
        return None
    pixels = np.vstack((shapely.get_coordinates(polygon.centroid), shapely.get_coordinates(polygon)))
    try:
        lonlat = np.column_stack(georeference.to_lonlat(pixels[:, 0], pixels[:, 1]))
    except ProjError:  # a local CRS, which has no known relation to WGS 84
        return None
    return lonlat if np.isfinite(lonlat).all() else None


def _local_metres(centre: Floats, lonlat: Floats) -> Floats:
    """Metres (east, north) in the azimuthal equidistant plane around `centre`, (points, 2)."""
    lon, lat = np.broadcast_to(centre, lonlat.shape).T
    azimuth, _, distance = WGS84.inv(lon, lat, lonlat[:, 0], lonlat[:, 1])
    return np.column_stack((distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))))


def _long_axis(plane: Polygon | MultiPolygon) -> tuple[float, float, float]:
    """Long side, short side, and heading of the long one, of the least rectangle around a polygon in metres."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(plane))
    sides = np.diff(corners[:3], axis=0)
    lengths = np.hypot(*sides.T)
    headings = np.degrees(np.arctan2(*sides.T)).round(_HEADING_DECIMALS) % 180
    long = int(np.argmax(lengths))
    if lengths.min() > (1 - _SQUARE) * lengths.max():
        long = int(np.argmin(np.minimum(headings, 180 - headings)))
    return float(lengths.max()), float(lengths.min()), float(headings[long])


def _area(lonlat: Polygon | MultiPolygon) -> float:
    """Area on the ellipsoid of a polygon in degrees, in square metres."""
    return sum(
        _ring_area(part.exterior) - sum(_ring_area(hole) for hole in part.interiors)
        for part in shapely.get_parts(lonlat)
    )


def _ring_area(ring: shapely.LinearRing) -> float:
    # A geodesic polygon may cross the antimeridian as it likes; its sign is the ring's orientation.
    area, _ = WGS84.polygon_area_perimeter(*shapely.get_coordinates(ring).T)
    return abs(float(area))
