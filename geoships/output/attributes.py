"""How large a ship is, where it is and which way it lies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from shapely import MultiPolygon, Polygon

from geoships.scene.georeference import WGS84, Georeference

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Shapes = NDArray[np.object_]  # polygons and multipolygons

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


def measure_all(
    polygons: Sequence[Polygon | MultiPolygon], georeference: Georeference, margin: Margin = NO_MARGIN
) -> list[Measures]:
    """Measure polygons, none of them empty, in the scene's pixel coordinates (column, row).

    margin: is taken off length and width, and not off the area, which is the polygon's.

    The scene's projection leaves no trace in the measures. The area lies between geodesics from vertex to
    vertex (Karney 2013, Algorithms for geodesics, section 6). Sides and heading are those in the azimuthal
    equidistant plane around the centroid, x = s sin(a), y = s cos(a) with geodesic distance s and azimuth a
    (Snyder 1987, Map Projections: A Working Manual, section 25), whose scale is off by less than one part
    in a million up to ten kilometres from the centroid.

    All measures are None for a scene without a place on Earth and for a polygon off the scene's projection.
    """
    measures = [Measures()] * len(polygons)
    shapes = np.array(polygons, np.object_)
    centres, vertices = _lonlat(shapes, georeference)
    known = np.isfinite(centres[:, 0]) & np.isfinite(centres[:, 1])
    owner = _owners(shapes)
    known[owner[~(np.isfinite(vertices[:, 0]) & np.isfinite(vertices[:, 1]))]] = False
    if known.any():
        vertices, owner = vertices[known[owner]], owner[known[owner]]
        plane = shapely.transform(shapes[known], lambda _: _local_metres(centres[owner], vertices))
        globe = shapely.transform(shapes[known], lambda _: vertices)
        found = zip(np.flatnonzero(known).tolist(), _long_axes(plane), globe, centres[known].tolist(), strict=True)
        for number, (length, width, heading), each, centre in found:
            measures[number] = Measures(_area(each), margin.off(length), margin.off(width), heading, *centre)
    return measures


def _owners(shapes: Shapes) -> Ints:
    """The number of the shape that each vertex belongs to."""
    return np.asarray(shapely.get_coordinates(shapes, return_index=True)[1])


def _lonlat(shapes: Shapes, georeference: Georeference) -> tuple[Floats, Floats]:
    """Longitude and latitude of the centroids, and of all vertices, (points, 2); not finite where unknown."""
    pixels = np.vstack((shapely.get_coordinates(shapely.centroid(shapes)), shapely.get_coordinates(shapes)))
    lonlat = np.full(pixels.shape, np.nan)
    if georeference.placed:
        with suppress(ProjError):  # a local CRS, which has no known relation to WGS 84
            lonlat = np.column_stack(georeference.to_lonlat(pixels[:, 0], pixels[:, 1]))
    return lonlat[: len(shapes)], lonlat[len(shapes) :]


def _local_metres(centres: Floats, lonlat: Floats) -> Floats:
    """Metres (east, north) in the azimuthal equidistant plane around the centre of each point, (points, 2)."""
    azimuth, _, distance = WGS84.inv(centres[:, 0], centres[:, 1], lonlat[:, 0], lonlat[:, 1])
    return np.column_stack((distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))))


def _long_axes(plane: Shapes) -> list[tuple[float, float, float]]:
    """Length, width, and heading of polygons in metres: of the rectangle around each along its principal axis.

    The principal axis is that of the second moments of area, which every pixel has a say in; the sides of the least
    rectangle hang on few, and lie along the grid for most small ships.
    """
    variances, axes = np.linalg.eigh(_second_moments(plane))
    owner = _owners(plane)
    places = np.einsum("ni,nik->nk", shapely.get_coordinates(plane), axes[owner])  # across, along
    first = np.searchsorted(owner, np.arange(len(plane)))
    sides = np.maximum.reduceat(places, first) - np.minimum.reduceat(places, first)
    headings = np.degrees(np.arctan2(axes[:, 0, 1], axes[:, 1, 1])).round(_HEADING_DECIMALS) % 180
    round_ones = variances[:, 0] > (1 - _SQUARE) ** 2 * variances[:, 1]
    return [
        _least_rectangle(shape) if alike else (along, across, heading)
        for shape, alike, (across, along), heading in zip(
            plane, round_ones, sides.tolist(), headings.tolist(), strict=True
        )
    ]


def _second_moments(plane: Shapes) -> Floats:
    """Central second moments of area over the area, (polygons, 2, 2); sums over the triangles of the origin.

    By Green's theorem, see Steger 1996, On the calculation of arbitrary moments of polygons.
    """
    parts, part_owner = shapely.get_parts(plane, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    a, b, ring = points[:-1][inside], points[1:][inside], ring[1:][inside]
    twice = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    exterior = np.diff(ring_part, prepend=-1) > 0  # the first ring of a part
    twice *= (np.sign(np.bincount(ring, twice)) * np.where(exterior, 1, -1))[ring]
    owner = part_owner[ring_part][ring]

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(owner, values, len(plane)), np.float64)

    area = total(twice) / 2
    mean = np.column_stack([total(twice * (a + b)[:, axis]) for axis in (0, 1)]) / (6 * area[:, None])
    products = sum(p[:, :, None] * p[:, None] for p in (a, b, a + b)) * twice[:, None, None]
    second = np.stack([[total(products[:, i, j]) for j in (0, 1)] for i in (0, 1)]).transpose(2, 0, 1)
    return np.asarray(second / (24 * area[:, None, None]) - mean[:, :, None] * mean[:, None])


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
