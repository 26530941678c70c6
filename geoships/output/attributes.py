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
    length_m, width_m: sides of the rectangle around the ship that lies along its principal axis, in metres, less the
        margin; the larger one is the length.
    heading_deg: direction of that axis, 0 <= heading < 180 degrees clockwise from true north. A ship as long as
        wide within one percent has none: then that of the least rectangle's side that is closer to north.
    lon, lat: the centroid, in degrees; -180 <= lon < 180.
    """

    area_m2: float | None = None
    length_m: float | None = None
    width_m: float | None = None
    heading_deg: float | None = None
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True)
class Margin:
    """How much longer, and wider, outlines are than hulls, in metres on the ground: both sides of the hull together.

    excess: what is taken off length and width. least: what is left of either at least, unless it was less before.
    """

    excess: float = 0.0
    least: float = 0.0

    def off(self, side: float) -> float:
        """A side of an outline less the margin."""
        return max(side - self.excess, min(side, self.least))


NO_MARGIN = Margin()


def measure(polygon: Polygon | MultiPolygon, georeference: Georeference, margin: Margin = NO_MARGIN) -> Measures:
    """Measure a polygon, not empty, in the scene's pixel coordinates (column, row).

    margin: is taken off length and width, and not off the area, which is the polygon's.

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
    return Measures(area, margin.off(length), margin.off(width), heading, *centre.tolist())


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
    """Length, width, and heading of a polygon in metres: of the rectangle around it along its principal axis.

    The principal axis is that of the second moments of area, which every pixel has a say in; the sides of the least
    rectangle hang on few, and lie along the grid for most small ships.
    """
    variances, axes = np.linalg.eigh(_second_moments(plane))
    if variances[0] > (1 - _SQUARE) ** 2 * variances[1]:
        return _least_rectangle(plane)
    along, across = (np.ptp(shapely.get_coordinates(plane) @ axis) for axis in axes.T[::-1])
    heading = float(np.degrees(np.arctan2(*axes[:, 1])).round(_HEADING_DECIMALS) % 180)
    return float(along), float(across), heading


def _second_moments(plane: Polygon | MultiPolygon) -> Floats:
    """Central second moments of area over the area, (2, 2); by Green's theorem, a sum over the triangles of the origin.

    See Steger 1996, On the calculation of arbitrary moments of polygons.
    """
    area, first, second = 0.0, np.zeros(2), np.zeros((2, 2))
    for part in shapely.get_parts(plane):
        for sign, ring in ((1, part.exterior), *((-1, hole) for hole in part.interiors)):
            points = shapely.get_coordinates(ring)
            a, b = points[:-1], points[1:]
            twice = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
            twice *= np.sign(twice.sum()) * sign
            area += twice.sum() / 2
            first += twice @ (a + b) / 6
            second += sum(np.einsum("n,ni,nj->ij", twice, p, p) for p in (a, b, a + b)) / 24
    mean = first / area
    return np.asarray(second / area - np.outer(mean, mean))


def _least_rectangle(plane: Polygon | MultiPolygon) -> tuple[float, float, float]:
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
