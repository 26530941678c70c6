"""All metrics of an evaluation of several classes, as plain values for JSON under stable names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoships.config import PredictConfig
from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene
from geoships.evaluation.figures import SETTINGS, Figures, figures
from geoships.metrics.intervals import CONFIDENCE
from geoships.model.bundle import Bundle

_MEANS = {"pixel_iou": ("pixels", "iou"), "f1": ("ships", f"iou_{CURVE_IOU}", "f1")}
_DECIMALS = 5


def class_figures(
    by_class: Mapping[str, Sequence[EvaluatedScene]],
    model: Bundle,
    config: PredictConfig,
    thresholds: Sequence[float],
    min_peak: float,
) -> Figures:
    """Compute the metrics of each class, and their means.

    Args:
        by_class: At least one evaluated scene for each class.
        model: The bundle.
        config: The settings of the prediction.
        thresholds: Minimum score of a pixel of each class, 0 to 1.
        min_peak: Minimum peak score of an object, 0 to 1.

    Returns:
        The content of metrics.json: `classes` holds for each class what `figures` returns, and `mean` the means over
        the classes that have labels.
    """
    each = {
        name: figures(scenes, model, config, threshold, min_peak)
        for (name, scenes), threshold in zip(by_class.items(), thresholds, strict=True)
    }
    labelled = [one for one in each.values() if one["all"]["ships"]["touched"]["labelled"]]
    without = [name for name, one in each.items() if one not in labelled]
    notes = [f"No label of {', '.join(without)}; the means leave these classes out."] if without else []
    notes += dict.fromkeys(note for one in each.values() for note in one["notes"])
    return {
        "model": model.card.name,
        "verifier": None,
        "activation": model.card.activation,
        "thresholds": dict(zip(each, thresholds, strict=True)),
        "min_peak": min_peak,
        "confidence": CONFIDENCE,
        "settings": config.model_dump(include=SETTINGS),
        "scenes": [scene.files.name for scene in next(iter(by_class.values()))],
        "classes": each,
        "mean": {name: _mean([_at(one["all"], path) for one in labelled]) for name, path in _MEANS.items()},
        "notes": notes,
    }


def _at(value: Any, path: Sequence[str]) -> float | None:
    for name in path:
        value = value[name]
    return None if value is None else float(value)


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), _DECIMALS) if known else None
