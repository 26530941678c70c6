"""Stays: a ship that several passes found at one place, from its arrival to its departure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.places.passes import Passes
from geoships.places.sightings import Ints, Sightings

SAME_PLACE = 60.0  # metres that a moored ship moves between two passes, at most


@dataclass(frozen=True)
class Stay:
    """A ship at one place.

    Attributes:
        members: Its sightings, one a pass, in the order of time.
        before: Last pass that saw the place without it, before it was found; None: none did.
        after: First pass that saw the place without it, after it was found; None: none has.
    """

    members: Ints
    before: int | None
    after: int | None


def find_stays(sightings: Sightings, passes: Passes, ships: NDArray[np.bool_]) -> list[Stay]:
    """Join sightings of one ship that stayed where it was.

    A sighting is followed by that of the next pass which saw the place, if its centre is at most SAME_PLACE metres away
    and its outline the same. A pass that did not see the place, under clouds, is passed over.

    Args:
        sightings: All ships.
        passes: The passes.
        ships: Which sightings are ships, and no structures, (sightings,).

    Returns:
        Stays in the order of their arrival; each ship is in one of them.
    """
    seen = np.column_stack([shapely.intersects_xy(area, sightings.lon, sightings.lat) for area in passes.seen])
    follower = _followers(sightings, seen, ships)
    begins = np.setdiff1d(np.flatnonzero(ships), follower[follower >= 0])
    stays = []
    for first in begins[np.argsort(sightings.at[begins], kind="stable")].tolist():
        members = [first]
        while follower[members[-1]] >= 0:
            members.append(int(follower[members[-1]]))
        start, end = int(sightings.at[first]), int(sightings.at[members[-1]])
        earlier, later = np.flatnonzero(seen[first, :start]), np.flatnonzero(seen[members[-1], end + 1 :]) + end + 1
        stays.append(
            Stay(
                np.array(members, np.intp),
                int(earlier[-1]) if earlier.size else None,
                int(later[0]) if later.size else None,
            )
        )
    return stays


def _followers(sightings: Sightings, seen: NDArray[np.bool_], ships: NDArray[np.bool_]) -> Ints:
    """The next sighting of each ship that stayed; -1 where there is none."""
    first, second, distance = sightings.alike(SAME_PLACE)
    later = (sightings.at[second] > sightings.at[first]) & ships[first] & ships[second]
    first, second, distance = first[later], second[later], distance[later]
    order = np.lexsort((distance, sightings.at[second] - sightings.at[first]))
    follower, followed = np.full(len(sightings.lon), -1, np.intp), np.zeros(len(sightings.lon), np.bool_)
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        between = seen[one, sightings.at[one] + 1 : sightings.at[other]]
        if follower[one] < 0 and not followed[other] and not between.any():
            follower[one], followed[other] = other, True
    return follower
