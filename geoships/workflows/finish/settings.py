"""Threshold and minimum peak score, chosen on scenes that the models had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.metrics.counts import ObjectCounts
from geoships.metrics.intervals import Units, object_intervals

LOWEST, HIGHEST = 0.2, 0.8  # thresholds that are considered
NEAR = 0.01  # of F1; the settings within it of the best are taken as equally good


@dataclass(frozen=True)
class Setting:
    """What makes ships of scores.

    Attributes:
        threshold: Minimum score of a ship pixel.
        min_peak: Minimum peak score of a ship.
    """

    threshold: float
    min_peak: float


def choose_setting(scenes: Sequence[EvaluatedScene], current: Setting) -> Setting:
    """Choose the setting with the best ships, and among those that are nearly as good, the best mask.

    Ships are judged by F1 at an IoU of 0.3. Of the settings within NEAR of the best F1, the one with the highest pixel
    IoU is taken, then the one with the highest F1, then the one closest to the current setting.

    Args:
        scenes: Scenes evaluated at the same thresholds and minimum peak scores, by models that had not seen them.
        current: The setting of the model.

    Raises:
        GeoshipsError: No labelled ship was found at any setting.
    """
    scores = reduce(add, (scene.scores for scene in scenes))
    candidates = []
    for index, threshold in enumerate(scores.thresholds):
        if LOWEST <= threshold <= HIGHEST:
            iou = scores.at(threshold).iou
            for min_peak in scenes[0].grid[index]:
                ships = _ships(scenes, index, min_peak)
                away = abs(threshold - current.threshold) + abs(min_peak - current.min_peak)
                candidates.append((ships.f1, iou, -away, Setting(threshold, min_peak)))
    best = max(f1 for f1, *_ in candidates)
    if best == 0:
        raise GeoshipsError("the models of the cross-validation find no labelled ship; train them for longer")
    near = [(iou, f1, away, setting) for f1, iou, away, setting in candidates if f1 >= best - NEAR]
    return max(near, key=lambda candidate: candidate[:3])[3]


def nested_figures(folds: Sequence[Sequence[EvaluatedScene]], current: Setting) -> dict[str, Any] | None:
    """Ships of each fold at the setting that is chosen on the others, which is not fitted to the scenes that it meets.

    Args:
        folds: The evaluated scenes of each fold.
        current: The setting of the model.

    Returns:
        Precision, recall and F1 at IoU 0.3 with their intervals, and the settings; None with fewer than two folds.
    """
    if len(folds) < 2:
        return None
    counts, settings = [], []
    for number, held_out in enumerate(folds):
        others = [scene for index, fold in enumerate(folds) if index != number for scene in fold]
        setting = choose_setting(others, current)
        settings.append(setting)
        index = held_out[0].scores.thresholds.index(setting.threshold)
        counts += [scene.grid[index][setting.min_peak] for scene in held_out]
    total = reduce(add, counts)
    intervals = object_intervals([Units.of_matches(scene) for scene in counts], total)
    figures: dict[str, Any] = {}
    for name in ("precision", "recall", "f1"):
        figures[f"{name}_iou_0.3"] = getattr(total, name)
        figures[f"{name}_iou_0.3_interval"] = intervals[name]
    return {**figures, "settings": [[setting.threshold, setting.min_peak] for setting in settings]}


def _ships(scenes: Sequence[EvaluatedScene], index: int, min_peak: float) -> ObjectCounts:
    return reduce(add, (scene.grid[index][min_peak] for scene in scenes))
