"""What stood at one place on several passes, and whether it is a structure or a ship that lay still."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geoships.places.passes import Passes
from geoships.places.settings import FixedSettings
from geoships.places.sightings import Ints, Sightings

Number = TypeVar("Number", bound=np.generic)

MISSED = 0.2  # probability of a row of misses before it was found, below which it was not there yet
SHIP_LENGTH, SHIP_SHAPE = 60.0, 2.5  # metres, and times its width, from which a thing may be a ship at its berth
SHIP_METRES, SHIP_SHARE = 20.0, 0.1  # by which measured lengths of one and the same differ: metres, or a share
SHARED = 0.3  # of the smaller outline, from which on two things are at the same place


class Why(StrEnum):
    """Why something that stood still is no structure, or that it is one."""

    FIXED = "structure"
    CAME = "came"
    LEFT = "left"
    CHANGES = "outline changes"
    OFTEN_AWAY = "often away"
    SHIP_AWAY = "like a ship, and away"
    UNSEEN = "seldom seen"


@dataclass(frozen=True)
class Standing:
    """Something that was seen with the same outline at one place.

    Attributes:
        members: Its sightings, one a pass, in the order of time; the first of all is the one in the middle of them.
        middle: The sighting that the others are close to.
        present: Whether it was found, (passes,).
        seen: Whether the pass saw the place, (passes,).
        why: What it is.
    """

    members: Ints
    middle: int
    present: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    why: Why


def find_standing(sightings: Sightings, passes: Passes, settings: FixedSettings) -> list[Standing]:
    """Find what stood still: groups of sightings that are close to one in their middle and have its outline.

    Args:
        sightings: All ships.
        passes: The passes.
        settings: What counts as fixed.

    Returns:
        The groups of at least `settings.passes` passes, those of the most passes first; no sighting is in two.
    """
    groups = _groups(sightings, settings)
    overlaps = _by_first(*sightings.overlapping(SHARED), len(sightings.lon))
    found = []
    for middle, members in groups:
        present = np.zeros(len(passes), np.bool_)
        present[sightings.at[members]] = True
        lon, lat = float(sightings.lon[middle]), float(sightings.lat[middle])
        seen = passes.sees(lon, lat) | present
        others = np.unique(np.concatenate([overlaps[member] for member in members.tolist()]))
        others = np.setdiff1d(others, members)
        changed = bool((~present[sightings.at[others]]).any())
        why = _why(present, seen, changed, settings)
        if why == Why.FIXED and _is_shiplike(sightings, middle):
            why = _why_shiplike(sightings.sizes.length[members], present[seen])
        found.append(Standing(members, middle, present, seen, why))
    return found


def _is_shiplike(sightings: Sightings, middle: int) -> bool:
    """Whether something has the size and shape of a ship that may lie at a berth."""
    length, width = float(sightings.sizes.length[middle]), float(sightings.sizes.width[middle])
    return length >= max(SHIP_LENGTH, SHIP_SHAPE * width)


def _why_shiplike(lengths: NDArray[np.float64], found: NDArray[np.bool_]) -> Why:
    """What something like a ship is: ships of about one size share a berth, so it may neither be away nor change.

    Args:
        lengths: In metres, of all its sightings.
        found: Whether each pass that saw its place found it.
    """
    if np.ptp(lengths) > max(SHIP_METRES, SHIP_SHARE * float(np.median(lengths))):
        return Why.CHANGES
    return Why.FIXED if found.all() else Why.SHIP_AWAY


def _groups(sightings: Sightings, settings: FixedSettings) -> list[tuple[int, Ints]]:
    """Sightings with the same place and outline as one of them, by the one in the middle."""
    first, second, distance = sightings.alike(settings.distance)
    neighbours = _by_first(first, second, len(sightings.lon))
    metres = _by_first(first, distance, len(sightings.lon))
    free = np.ones(len(sightings.lon), np.bool_)
    groups: list[tuple[int, Ints]] = []
    candidates = {
        number for number, near in enumerate(neighbours) if len(np.unique(sightings.at[near])) + 1 >= settings.passes
    }
    stars: dict[int, Ints] = {number: _star(number, neighbours, metres, sightings, free) for number in candidates}
    while stars:
        middle = max(stars, key=lambda number: (len(stars[number]), -number))
        members = stars.pop(middle)
        if len(members) < settings.passes:
            break
        groups.append((middle, members))
        free[members] = False
        touched = set(members.tolist()).union(*(neighbours[member].tolist() for member in members.tolist()))
        for number in touched & stars.keys():
            if free[number]:
                stars[number] = _star(number, neighbours, metres, sightings, free)
            else:
                del stars[number]
    return groups


def _star(
    middle: int, neighbours: list[Ints], metres: list[NDArray[np.float64]], sightings: Sightings,
    free: NDArray[np.bool_],
) -> Ints:  # fmt: skip
    """The sighting itself, and the nearest free one of each other pass that is like it, in the order of time."""
    near, distance = neighbours[middle], metres[middle]
    usable = free[near] & (sightings.at[near] != sightings.at[middle])
    near, distance = near[usable], distance[usable]
    near = near[np.argsort(distance, kind="stable")]
    _, one_a_pass = np.unique(sightings.at[near], return_index=True)
    members = np.append(near[one_a_pass], middle)
    return np.asarray(members[np.argsort(sightings.at[members], kind="stable")], np.intp)


def _why(present: NDArray[np.bool_], seen: NDArray[np.bool_], changed: bool, settings: FixedSettings) -> Why:
    """What something is, by the passes that found it and those that saw its place."""
    if changed:
        return Why.CHANGES
    found = present[seen]
    if len(found) < settings.passes:
        return Why.UNSEEN
    first, last = np.flatnonzero(found)[[0, -1]]
    between = found[first : last + 1]
    rate = (between.sum() + 0.5) / (len(between) + 1)  # how often it is found while it is there
    if last < len(found) - 1:  # a ship that left must not be called fixed; a structure is missed once, and found again
        return Why.LEFT
    if (1 - rate) ** first < MISSED and first > 0:
        return Why.CAME
    return Why.FIXED if found.mean() >= settings.share else Why.OFTEN_AWAY


def _by_first(first: Ints, values: NDArray[Number], count: int) -> list[NDArray[Number]]:
    """Values by the number that they belong to."""
    order = np.argsort(first, kind="stable")
    return np.split(values[order], np.searchsorted(first[order], np.arange(1, count)))
