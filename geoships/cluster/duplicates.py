"""Ships that overlapping scenes of one pass show twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PASS_SECONDS = 60.0  # between the times of two scenes of one pass; a ship at 20 knots moves 600 m in it
SHARED = 0.5  # of the smaller of two outlines, from which on both are one ship


def without_duplicates(ships: GeoDataFrame) -> tuple[GeoDataFrame, int]:
    """Leave one of each ship that overlapping scenes of one pass show several times.

    Two outlines are one ship where they are of different scenes whose times are at most PASS_SECONDS apart, and share
    at least half of the smaller one: the edge of a scene may have cut one of them. A whole outline is kept rather than
    one on a border of its scene, then the larger score, then the first scene in the alphabet. Ships of scenes without a
    time all stay.

    Args:
        ships: From `read_all_ships`.

    Returns:
        The ships that stay, numbered anew, and how many were left out.
    """
    if ships.empty or "datetime" not in ships:
        return ships, 0
    times = pd.to_datetime(ships["datetime"].astype("string").str.split("/").str[0], utc=True, format="ISO8601")
    seconds = times.astype("datetime64[ns, UTC]").astype("int64").to_numpy() / 1e9
    seconds = np.where(times.isna(), np.nan, seconds)
    places = ships["place"].to_numpy()
    first, second = shapely.STRtree(ships.geometry.values).query(ships.geometry.values, predicate="intersects")
    alike = (places[first] != places[second]) & (np.abs(seconds[first] - seconds[second]) <= PASS_SECONDS)
    first, second = first[alike], second[alike]
    outlines = ships.geometry.values
    shared = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    smaller = np.minimum(shapely.area(outlines[first]), shapely.area(outlines[second]))
    same = shared >= SHARED * smaller
    kept = _keep(ships, first[same], second[same])
    left = ships[kept].reset_index(drop=True)
    left["id"] = range(1, len(left) + 1)
    return left, int(len(ships) - len(left))


def _keep(ships: GeoDataFrame, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which ships stay, of pairs that are one ship: the best first, each where no better one is kept."""
    order = ships.assign(_border=ships["on_border"].astype(bool), _score=-ships["score"].astype(float))
    ranked = order.sort_values(["_border", "_score", "place", "scene_id"], kind="stable").index.to_numpy()
    others: dict[int, list[int]] = {}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        others.setdefault(one, []).append(other)
    kept = np.zeros(len(ships), bool)
    for number in ranked.tolist():
        kept[number] = not any(kept[other] for other in others.get(number, ()))
    return kept
