"""Attributes of ships: area, length, width, heading and centroid."""

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

# Relative difference of two sides below which a shape counts as square and has no heading of its own: a pixel that is
# square on the map is not quite square on the ellipsoid, by up to two thirds of a percent in Web Mercator.
_SQUARE = 0.01

_HEADING_DECIMALS = 6  # more digits of a heading are rounding noise


@dataclass(frozen=True)
class Measures:
    """Measurements of a ship on the WGS 84 ellipsoid; all None where the scene is not georeferenced.

    Attributes:
        area_m2: Area without holes, in square metres.
        length_m: Longer side, in metres, of the bounding rectangle aligned with the ship's principal axis, less the
            margin.
        width_m: Shorter side of that rectangle, in metres, less the margin.
        heading_deg: Direction of the principal axis, 0 <= heading < 180 degrees clockwise from true north. Where
            length and width differ by less than one percent, the axis is not defined: then the direction of that
            side of the minimum rotated rectangle which is closer to north.
        lon: Longitude of the centroid, -180 <= lon < 180 degrees.
        lat: Latitude of the centroid, in degrees.
    """

    area_m2: float | None = None
    length_m: float | None = None
    width_m: float | None = None
    heading_deg: float | None = None
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True)
class Margin:
    """How much longer, and wider, outlines are than hulls, on the ground: both sides of the hull together.

    Attributes:
        excess: Metres that are subtracted from length and width.
        min_side: Metres below which the subtraction does not take a length or width; a smaller one is unchanged.
    """

    excess: float = 0.0
    min_side: float = 0.0

    def subtract_from(self, side: float) -> float:
        """Subtract the margin from a length or width of an outline, in metres."""
        return max(side - self.excess, min(side, self.min_side))


NO_MARGIN = Margin()


def measure_all(
    polygons: Sequence[Polygon | MultiPolygon], georeference: Georeference, margin: Margin = NO_MARGIN
) -> list[Measures]:
    """Measure polygons on the WGS 84 ellipsoid, free of the distortion of the scene's projection.

    The area is bounded by geodesics between vertices (Karney 2013, Algorithms for geodesics, section 6). Length,
    width and heading are measured in the azimuthal equidistant projection centred on the centroid, x = s sin(a),
    y = s cos(a) with geodesic distance s and azimuth a (Snyder 1987, Map Projections: A Working Manual, section 25);
    its scale error is below one part in a million up to ten kilometres from the centroid.

    Args:
        polygons: Polygons that are not empty, in the scene's pixel coordinates (column, row).
        georeference: Of the scene.
        margin: Subtracted from length and width. The area is that of the polygon.

    Returns:
        Measures of each polygon, in order; all None in a scene that is not georeferenced, and for a polygon outside
        of the domain of the scene's projection.
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
        lonlat = shapely.transform(shapes[known], lambda _: vertices)
        rows = zip(np.flatnonzero(known).tolist(), _axes(plane), lonlat, centres[known].tolist(), strict=True)
        for index, (length, width, heading), shape, centre in rows:
            sides = margin.subtract_from(length), margin.subtract_from(width)
            measures[index] = Measures(_area(shape), *sides, heading, *centre)
    return measures


def _owners(shapes: Shapes) -> Ints:
    """Index of the shape that each vertex belongs to, (vertices,)."""
    return np.asarray(shapely.get_coordinates(shapes, return_index=True)[1])


def _lonlat(shapes: Shapes, georeference: Georeference) -> tuple[Floats, Floats]:
    """Longitude and latitude of the centroids, (shapes, 2), and of all vertices, (vertices, 2); NaN where unknown."""
    pixels = np.vstack((shapely.get_coordinates(shapely.centroid(shapes)), shapely.get_coordinates(shapes)))
    lonlat = np.full(pixels.shape, np.nan)
    if georeference.placed:
        with suppress(ProjError):  # a local CRS, with no known transformation to WGS 84
            lonlat = np.column_stack(georeference.to_lonlat(pixels[:, 0], pixels[:, 1]))
    return lonlat[: len(shapes)], lonlat[len(shapes) :]


def _local_metres(centres: Floats, lonlat: Floats) -> Floats:
    """Project points to (east, north) in metres, azimuthal equidistant around each point's centre, (points, 2)."""
    azimuth, _, distance = WGS84.inv(centres[:, 0], centres[:, 1], lonlat[:, 0], lonlat[:, 1])
    return np.column_stack((distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))))


def _axes(plane: Shapes) -> list[tuple[float, float, float]]:
    """Length, width and heading of the bounding rectangle aligned with the principal axis of each polygon.

    The principal axis is that of the second moments of area, to which every pixel contributes; the minimum rotated
    rectangle depends on a few vertices, and is aligned with the pixel grid for most small ships.
    """
    variances, axes = np.linalg.eigh(_second_moments(plane))
    owner = _owners(plane)
    aligned = np.einsum("ni,nik->nk", shapely.get_coordinates(plane), axes[owner])  # across, along
    first = np.searchsorted(owner, np.arange(len(plane)))
    sides = np.maximum.reduceat(aligned, first) - np.minimum.reduceat(aligned, first)
    headings = np.degrees(np.arctan2(axes[:, 0, 1], axes[:, 1, 1])).round(_HEADING_DECIMALS) % 180
    square = variances[:, 0] > (1 - _SQUARE) ** 2 * variances[:, 1]
    return [
        _minimum_rectangle(shape) if is_square else (along, across, heading)
        for shape, is_square, (across, along), heading in zip(
            plane, square, sides.tolist(), headings.tolist(), strict=True
        )
    ]


def _second_moments(plane: Shapes) -> Floats:
    """Central second moments of area, divided by the area, (polygons, 2, 2).

    Sums over the triangles between each side and the origin, by Green's theorem (Steger 1996, On the calculation of
    arbitrary moments of polygons).
    """
    parts, part_owner = shapely.get_parts(plane, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same_ring = ring[1:] == ring[:-1]
    a, b, ring = points[:-1][same_ring], points[1:][same_ring], ring[1:][same_ring]
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


def _minimum_rectangle(plane: Polygon | MultiPolygon) -> tuple[float, float, float]:
    """Length, width and heading of the minimum rotated rectangle around a polygon in metres."""
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
    # Geodesic polygons may cross the antimeridian. The sign of the area is the ring's orientation.
    area, _ = WGS84.polygon_area_perimeter(*shapely.get_coordinates(ring).T)
    return abs(float(area))
