"""Berths: places where ships of different outline come and go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoships.output.same_outline import EARTH, same_size, vectors
from geoships.places.sightings import Ints, Sightings

SHARED = 0.3  # of the smaller outline, from which on two ships lay at the same place
LEAST_METRES = 60.0  # between ships of one berth, however small they are


@dataclass(frozen=True)
class Berth:
    """A place where ships come and go.

    Attributes:
        members: Its sightings, in the order of time.
        outlines: How many different outlines they have.
    """

    members: Ints
    outlines: int


def find_berths(sightings: Sightings, free: NDArray[np.bool_]) -> list[Berth]:
    """Find berths among ships whose outlines overlap in different passes.

    Rows of overlapping ships along a quay are divided into groups whose mean distance is at most half a ship.

    Args:
        sightings: All ships.
        free: Which of them are no structures, (sightings,).

    Returns:
        Berths, from north to south: ships of at least two passes with at least two outlines.
    """
    first, second = sightings.overlapping(SHARED)
    used = free[first] & free[second]
    first, second = first[used], second[used]
    count = len(sightings.lon)
    _, label = connected_components(coo_array((np.ones(len(first)), (first, second)), (count, count)), directed=False)
    found = []
    for number in np.unique(label[first]).tolist():
        for members in _divided(sightings, np.flatnonzero((label == number) & free)):
            members = members[np.argsort(sightings.at[members], kind="stable")]
            outlines = _outlines(sightings, members)
            if len(np.unique(sightings.at[members])) >= 2 and outlines >= 2:
                found.append(Berth(members, outlines))
    return sorted(found, key=lambda berth: -float(sightings.lat[berth.members].mean()))


def _divided(sightings: Sightings, members: Ints) -> list[Ints]:
    if len(members) < 2:
        return [members]
    xyz = vectors(sightings.lon[members], sightings.lat[members]) * EARTH
    lengths = sightings.sizes.length[members]
    half = float(np.nanmedian(lengths)) / 2 if np.isfinite(lengths).any() else LEAST_METRES
    groups = fcluster(linkage(xyz, "average"), max(LEAST_METRES, half), "distance")
    return [members[groups == group] for group in np.unique(groups)]


def _outlines(sightings: Sightings, members: Ints) -> int:
    """Number of different outlines: each is of no size that came before."""
    kinds: list[int] = []
    for member in members.tolist():
        one = sightings.sizes.take(np.full(len(kinds), member, np.intp))
        if not same_size(one, sightings.sizes.take(np.array(kinds, np.intp))).any():
            kinds.append(member)
    return len(kinds)
