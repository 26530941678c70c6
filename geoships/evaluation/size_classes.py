"""Ships by classes of length and distance to land, and the errors of their length and heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene

LENGTH_EDGES = (0.0, 50.0, 100.0, np.inf)  # class limits in metres
LAND_EDGES = (0.0, 100.0, 500.0, np.inf)  # class limits in metres
HEADING_TOLERANCE = 10.0  # degrees; maximum error of a correct heading
LONG_SHIP = 80.0  # metres; errors of longer ships are also reported separately
MIN_ASPECT_RATIO = 2.0  # of length and width; the heading of rounder ships is not well defined


@dataclass(frozen=True)
class MatchedShips:
    """Measures of pairs of a labelled and a predicted ship that match one to one at CURVE_IOU.

    Attributes:
        labelled: Length in metres, width in metres and heading in degrees of the labelled ships, (ships, 3); NaN where
            the scene is not georeferenced.
        predicted: The same of the predicted ships, (ships, 3).
    """

    labelled: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def length_errors(self) -> NDArray[np.float64]:
        """Predicted minus labelled length in metres, where both are known, (ships,)."""
        errors = self.predicted[:, 0] - self.labelled[:, 0]
        return errors[np.isfinite(errors)]

    @property
    def heading_errors(self) -> NDArray[np.float64]:
        """Angle between predicted and labelled heading, 0 to 90 degrees, of ships of at least MIN_ASPECT_RATIO."""
        elongated = self.labelled[:, 0] >= MIN_ASPECT_RATIO * self.labelled[:, 1]  # false for NaN
        return heading_difference(self.predicted[elongated, 2], self.labelled[elongated, 2])

    @property
    def long(self) -> MatchedShips:
        """The pairs whose labelled ship is longer than LONG_SHIP."""
        long = self.labelled[:, 0] > LONG_SHIP  # false for NaN
        return MatchedShips(self.labelled[long], self.predicted[long])


def heading_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between two axes, 0 to 90 degrees, given their headings in degrees.

    >>> heading_difference(np.array([179.0, 90.0, 10.0]), np.array([1.0, 0.0, 30.0])).tolist()
    [2.0, 90.0, 20.0]
    """
    return np.abs((a - b + 90) % 180 - 90)


def matched_ships(scenes: Sequence[EvaluatedScene]) -> MatchedShips:
    """Measures of the matched ships of all scenes."""
    labelled, predicted = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for scene in scenes:
        pairs = scene.comparison.pairs.one_to_one(CURVE_IOU)
        labelled.append(_measures(scene)[0][pairs.labelled])
        predicted.append(_measures(scene)[1][pairs.predicted])
    return MatchedShips(np.concatenate(labelled), np.concatenate(predicted))


@dataclass(frozen=True)
class LabelledShips:
    """The labelled ships of all scenes.

    Attributes:
        length: Length in metres, (ships,); NaN where the scene is not georeferenced.
        land: Distance to land in metres, (ships,); NaN without a land layer.
        matched: Whether a predicted ship matches one to one at CURVE_IOU, (ships,).
        error: Predicted minus labelled length in metres, (ships,); NaN where not matched.
    """

    length: NDArray[np.float64]
    land: NDArray[np.float64]
    matched: NDArray[np.bool_]
    error: NDArray[np.float64]


def labelled_ships(scenes: Sequence[EvaluatedScene]) -> LabelledShips:
    """The labelled ships of all scenes."""
    columns: list[list[NDArray[np.float64]]] = [[np.zeros(0)] for _ in range(4)]
    for scene in scenes:
        pairs = scene.comparison.pairs.one_to_one(CURVE_IOU)
        labelled, predicted = _measures(scene)
        count = len(labelled)
        matched, error = np.zeros(count), np.full(count, np.nan)
        matched[pairs.labelled] = 1
        error[pairs.labelled] = predicted[pairs.predicted, 0] - labelled[pairs.labelled, 0]
        new = labelled[:, 0], _or_nan(scene.label_land, count), matched, error
        for column, values in zip(columns, new, strict=True):
            column.append(values)
    length, land, matched, error = map(np.concatenate, columns)
    return LabelledShips(length, land, matched > 0, error)


@dataclass(frozen=True)
class PredictedShips:
    """The predicted ships of all scenes that are not ignored.

    Attributes:
        length: Length in metres, (ships,); NaN where the scene is not georeferenced.
        land: Distance to land in metres, (ships,); NaN without a land layer.
        matched: Whether the ship matches a label one to one at CURVE_IOU, (ships,).
    """

    length: NDArray[np.float64]
    land: NDArray[np.float64]
    matched: NDArray[np.bool_]


def predicted_ships(scenes: Sequence[EvaluatedScene]) -> PredictedShips:
    """The predicted ships of all scenes that are not ignored."""
    length, land, matched = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.bool_)]
    for scene in scenes:
        matches = np.zeros(len(scene.found), np.bool_)
        matches[scene.comparison.pairs.one_to_one(CURVE_IOU).predicted] = True
        counts = matches | ~scene.comparison.ignored
        length.append(_measures(scene)[1][counts, 0])
        land.append(_or_nan(scene.found_land, len(scene.found))[counts])
        matched.append(matches[counts])
    return PredictedShips(np.concatenate(length), np.concatenate(land), np.concatenate(matched))


def split(values: NDArray[np.float64], edges: Sequence[float]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Split values into classes, low <= value < high.

    Args:
        values: Values, (values,).
        edges: Ascending class limits; one more than there are classes.

    Returns:
        The name of each class, and whether each value is in it, (values,).

    >>> [(name, inside.tolist()) for name, inside in split(np.array([0.0, 100.0]), LAND_EDGES)]
    [('< 100', [True, False]), ('100-500', [False, True]), ('>= 500', [False, False])]
    """
    named = []
    for low, high in pairwise(edges):
        name = f"< {high:g}" if low == 0 else f">= {low:g}" if high == np.inf else f"{low:g}-{high:g}"
        named.append((name, (values >= low) & ((values < high) | (high == np.inf))))
    return named


def _or_nan(metres: Sequence[float] | None, count: int) -> NDArray[np.float64]:
    return np.full(count, np.nan) if metres is None else np.array(metres, np.float64)


def _measures(scene: EvaluatedScene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length, width and heading of the labelled and of the predicted ships, (ships, 3) each; NaN where not known."""
    labelled, predicted = (
        np.array([(m.length_m, m.width_m, m.heading_deg) for m in measures], np.float64).reshape(-1, 3)
        for measures in ([ship.measures for ship in scene.labels], [ship.measures for ship in scene.found])
    )
    return labelled, predicted
