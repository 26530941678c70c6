"""Operating points: the minimum peak scores of an evaluation that suit each sensitivity best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.metrics.counts import ObjectCounts
from geoships.model.card import Sensitivity

BETAS: dict[Sensitivity, float] = {"high": 2.0, "balanced": 1.0, "precise": 0.5}  # weight of recall in the F score


def operating_points(
    scenes: Sequence[EvaluatedScene], threshold: float, min_peak: float
) -> dict[Sensitivity, dict[str, Any]]:
    """Choose the minimum peak score with the highest F score of each sensitivity: F2, F1 or F0.5 of the ships.

    Args:
        scenes: At least one evaluated scene.
        threshold: Minimum score of a ship pixel in the run.
        min_peak: Minimum peak score of the run. Of equal F scores, the one closest to it is chosen.

    Returns:
        For each sensitivity: threshold, min_peak, beta, the F score, precision and recall, matched one to one at
        CURVE_IOU. Empty where no ship is labelled or none is found.
    """
    curve = {peak: reduce(add, (scene.peaks[peak] for scene in scenes)) for peak in scenes[0].peaks}
    if not any(counts.matched_labels for counts in curve.values()):
        return {}
    points: dict[Sensitivity, dict[str, Any]] = {}
    for name, beta in BETAS.items():
        best = max(curve, key=lambda peak: (_score(curve[peak], beta), -abs(peak - min_peak)))
        points[name] = {
            "threshold": threshold, "min_peak": best, "beta": beta, "f": _score(curve[best], beta),
            "precision": curve[best].precision, "recall": curve[best].recall,
        }  # fmt: skip
    return points


def _score(counts: ObjectCounts, beta: float) -> float:
    return round(counts.f_score(beta), 9)  # equal scores stay equal in floating point
