"""Vessels that broadcast and that no ship fits, and the likely reason."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.ais.assign import Vessels

OUTSIDE_RIM = 5_000.0  # metres around the area: vessels farther away are not listed
RAFT = 30.0  # metres between the place of a vessel and a ship beside which it may lie
VAGUE = 500.0  # metres: a vessel whose place is less certain cannot be looked for


class Why(StrEnum):
    """The likely reason why a vessel was not found."""

    OUTSIDE = "outside"
    CLOUD = "cloud"
    SMALL = "too small"
    RAFT = "moored in a raft"
    VAGUE = "place not certain"
    NO_SIZE = "size not known"
    MISSED = "not found"


def reasons(
    vessels: Vessels,
    points: NDArray[np.object_],
    *,
    area: BaseGeometry,
    clouds: BaseGeometry | None,
    others: NDArray[np.object_],
    min_length: float,
) -> NDArray[np.object_]:
    """The likely reason for each vessel, or None for those that lie far outside.

    Args:
        vessels: Vessels without a ship.
        points: Their places in metres, (vessels,).
        area: The area that was seen, in the same plane.
        clouds: Clouds, if they are known.
        others: Ships that are other vessels.
        min_length: Metres; shorter vessels are too small.

    Returns:
        (vessels,): the first reason that holds, in the order of `Why`; None outside of OUTSIDE_RIM.
    """
    shapely.prepare(area)
    length = vessels.length
    found = np.full(len(points), Why.MISSED, object)
    found[~np.isfinite(length)] = Why.NO_SIZE
    found[vessels.error > VAGUE] = Why.VAGUE
    if len(others):
        beside = RAFT + np.where(np.isfinite(length), length, 0) / 2
        near, _ = shapely.STRtree(others).query(points, predicate="dwithin", distance=beside)
        found[np.unique(near)] = Why.RAFT
    found[length < min_length] = Why.SMALL
    if clouds is not None:
        shapely.prepare(clouds)
        found[shapely.intersects(clouds, points)] = Why.CLOUD
    outside = ~shapely.intersects(area, points)
    found[outside] = Why.OUTSIDE
    found[outside & (shapely.distance(area, points) > OUTSIDE_RIM)] = None
    return found
