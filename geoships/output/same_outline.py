"""Whether two outlines that were found at different times are of one thing that stands still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EARTH = 6_371_008.8  # metres, mean radius
PLACE_METRES = 30.0  # between the centres of one thing in two passes: the geolocation of Sentinel-2, and a pixel
SIDE_METRES, SIDE_SHARE = 15.0, 0.25  # by which measured sides of one outline differ: metres, or a share
AXIS_DEGREES = 20.0  # by which its axis differs
SLENDER = 1.8  # length by width from which on an outline has an axis


@dataclass(frozen=True)
class Sizes:
    """Sides and axes of outlines, all (outlines,); NaN where not known, which fits anything.

    Attributes:
        length: Metres.
        width: Metres.
        heading: Of the axis, 0 to 180 degrees.
    """

    length: Floats
    width: Floats
    heading: Floats

    def take(self, index: NDArray[np.intp]) -> Sizes:
        """Some of the outlines."""
        return Sizes(self.length[index], self.width[index], self.heading[index])


@dataclass(frozen=True)
class Outlines:
    """Outlines on Earth, all (outlines,).

    Attributes:
        lon: Degrees, of the centroid.
        lat: Degrees.
        sizes: Sides and axes.
    """

    lon: Floats
    lat: Floats
    sizes: Sizes


def vectors(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors of places on a sphere, (places, 3)."""
    lon, lat = np.radians(lon), np.radians(lat)
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))


def found_again(these: Outlines, known: Outlines, metres: float = PLACE_METRES) -> Bools:
    """Which outlines are those of known things: their centres are close, and they have the same size.

    Args:
        these: What is asked about; NaN where a place is not known.
        known: Things that stand still.
        metres: Between centres, at most.
    """
    from scipy.spatial import cKDTree  # not for runs that know of nothing fixed

    again = np.zeros(len(these.lon), np.bool_)
    placed = np.flatnonzero(np.isfinite(these.lon) & np.isfinite(these.lat))
    if not placed.size or not len(known.lon):
        return again
    one = cKDTree(vectors(these.lon[placed], these.lat[placed]) * EARTH)
    pairs = one.query_ball_tree(cKDTree(vectors(known.lon, known.lat) * EARTH), metres)
    for number, near in zip(placed.tolist(), pairs, strict=True):
        others = known.sizes.take(np.array(near, np.intp))
        own = these.sizes.take(np.full(len(near), number, np.intp))
        again[number] = same_size(own, others).any()
    return again


def same_size(one: Sizes, other: Sizes) -> Bools:
    """Whether pairs of outlines are the same, wherever they are.

    Args:
        one: One of each pair.
        other: The other one.

    Returns:
        (pairs,): both sides differ by at most 15 m or a quarter, and the axes of two slender ones by 20 degrees.
    """
    turned = np.abs((one.heading - other.heading + 90) % 180 - 90)
    with np.errstate(invalid="ignore", divide="ignore"):
        slender = (one.length / one.width >= SLENDER) & (other.length / other.width >= SLENDER)
        differs = ~_same_side(one.length, other.length) | ~_same_side(one.width, other.width)
        return np.asarray(~(differs | (slender & (turned > AXIS_DEGREES))))


def _same_side(one: Floats, other: Floats) -> Bools:
    limit = np.maximum(SIDE_METRES, SIDE_SHARE * np.maximum(one, other))
    return np.asarray(~(np.abs(one - other) > limit))  # also where one is not known
