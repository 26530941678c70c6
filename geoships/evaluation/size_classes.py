"""Ships in classes of length and of distance to land, and the errors of their measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geoships.evaluation.judge_scene import CURVE_IOU, JudgedScene

LENGTHS = (0.0, 25.0, 50.0, 100.0, 200.0, np.inf)  # metres
LAND = (0.0, 100.0, 500.0, np.inf)  # metres
CLOSE_HEADING = 10.0  # degrees
LONG = 80.0  # metres; headings of longer ships are judged on their own
LEAST_RATIO = 2.0  # of length and width; rounder ships have no clear heading


@dataclass(frozen=True)
class MatchedShips:
    """Measures of labelled ships and of the found ones that match them one to one at CURVE_IOU; all (ships,).

    true, found: (length in m, width in m, heading in degrees), (ships, 3); NaN where the place on Earth is not known.
    """

    true: NDArray[np.float64]
    found: NDArray[np.float64]

    @property
    def length_errors(self) -> NDArray[np.float64]:
        """Found less labelled length in metres, of the ships that have one."""
        errors = self.found[:, 0] - self.true[:, 0]
        return errors[np.isfinite(errors)]

    @property
    def heading_errors(self) -> NDArray[np.float64]:
        """Angle between found and labelled heading, 0 to 90 degrees, of the ships that are longer than wide."""
        long = self.true[:, 0] >= LEAST_RATIO * self.true[:, 1]  # false for NaN
        return heading_difference(self.found[long, 2], self.true[long, 2])

    @property
    def long(self) -> MatchedShips:
        """Those whose labels are longer than LONG."""
        chosen = self.true[:, 0] > LONG  # false for NaN
        return MatchedShips(self.true[chosen], self.found[chosen])


def heading_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between two axes, 0 to 90 degrees, given their headings in degrees.

    >>> heading_difference(np.array([179.0, 90.0, 10.0]), np.array([1.0, 0.0, 30.0])).tolist()
    [2.0, 90.0, 20.0]
    """
    return np.abs((a - b + 90) % 180 - 90)


def matched_ships(scenes: Sequence[JudgedScene]) -> MatchedShips:
    """The matched ships of all scenes."""
    true, found = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for scene in scenes:
        pairs = scene.comparison.pairs.one_to_one(CURVE_IOU)
        true.append(_measures(scene)[0][pairs.labelled])
        found.append(_measures(scene)[1][pairs.predicted])
    return MatchedShips(np.concatenate(true), np.concatenate(found))


@dataclass(frozen=True)
class Labelled:
    """Labelled ships of all scenes; all (ships,).

    length: metres, NaN where not known. land: metres from land, NaN where not known. hit: whether a found ship matches.
    error: found less labelled length in metres, NaN where not hit.
    """

    length: NDArray[np.float64]
    land: NDArray[np.float64]
    hit: NDArray[np.bool_]
    error: NDArray[np.float64]


def labelled_ships(scenes: Sequence[JudgedScene]) -> Labelled:
    """The labelled ships of all scenes, and whether they were found one to one at CURVE_IOU."""
    columns: list[list[NDArray[np.float64]]] = [[np.zeros(0)] for _ in range(4)]
    for scene in scenes:
        pairs = scene.comparison.pairs.one_to_one(CURVE_IOU)
        true, found = _measures(scene)
        hit, error = np.zeros(len(true)), np.full(len(true), np.nan)
        hit[pairs.labelled] = 1
        error[pairs.labelled] = found[pairs.predicted, 0] - true[pairs.labelled, 0]
        for column, values in zip(columns, (true[:, 0], _land(scene.label_land, len(true)), hit, error), strict=True):
            column.append(values)
    length, land, hit, error = map(np.concatenate, columns)
    return Labelled(length, land, hit > 0, error)


def found_near_land(scenes: Sequence[JudgedScene]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Metres from land of the found ships that count, and whether they match a label; both (ships,)."""
    land, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for scene in scenes:
        matched = np.zeros(len(scene.found), np.bool_)
        matched[scene.comparison.pairs.one_to_one(CURVE_IOU).predicted] = True
        counts = matched | ~scene.comparison.ignored
        land.append(_land(scene.found_land, len(scene.found))[counts])
        right.append(matched[counts])
    return np.concatenate(land), np.concatenate(right)


def classes(values: NDArray[np.float64], edges: Sequence[float]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Name of each class of values, and which values (low <= value < high) are in it.

    >>> [(name, inside.tolist()) for name, inside in classes(np.array([0.0, 100.0]), LAND)]
    [('< 100', [True, False]), ('100-500', [False, True]), ('>= 500', [False, False])]
    """
    named = []
    for low, high in pairwise(edges):
        name = f"< {high:g}" if low == 0 else f">= {low:g}" if high == np.inf else f"{low:g}-{high:g}"
        named.append((name, (values >= low) & ((values < high) | (high == np.inf))))
    return named


def _land(metres: Sequence[float] | None, count: int) -> NDArray[np.float64]:
    return np.full(count, np.nan) if metres is None else np.array(metres, np.float64)


def _measures(scene: JudgedScene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length, width and heading of the labelled and of the found ships, (ships, 3) each; NaN where not known."""
    true, found = (
        np.array([(m.length_m, m.width_m, m.heading_deg) for m in measures], np.float64).reshape(-1, 3)
        for measures in ([ship.measures for ship in scene.labels], [ship.measures for ship in scene.found])
    )
    return true, found
