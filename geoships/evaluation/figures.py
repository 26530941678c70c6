"""All metrics of an evaluation, as plain values for JSON under stable names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from geoships.config import PredictConfig
from geoships.evaluation import size_classes
from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene
from geoships.evaluation.operating_points import operating_points
from geoships.metrics.calibration import calibration, fit_temperature, tempered
from geoships.metrics.counts import ObjectCounts, PixelCounts, average_precision
from geoships.metrics.intervals import (
    CONFIDENCE,
    Interval,
    Units,
    object_intervals,
    pixel_intervals,
    proportion_interval,
)
from geoships.metrics.scores import ScoreCounts, ScoredPixels
from geoships.model.bundle import Bundle
from geoships.pipeline.verify import choose_verifier

Figures = dict[str, Any]

IOUS = (0.1, 0.3, 0.5)
SETTINGS = {
    "min_peak",
    "sensitivity",
    "views",
    "split",
    "min_area",
    "max_hole",
    "simplify",
    "gsd",
    "bands",
    "scale",
    "offset",
    "sensor",
}
_DECIMALS = 5


def figures(
    scenes: Sequence[EvaluatedScene], model: Bundle, config: PredictConfig, threshold: float, min_peak: float
) -> Figures:
    """Compute all metrics of an evaluation.

    Args:
        scenes: At least one evaluated scene.
        model: The bundle.
        config: The settings of the prediction.
        threshold: Minimum score of a ship pixel, 0 to 1.
        min_peak: Minimum peak score of a ship, 0 to 1.

    Returns:
        The content of metrics.json.
    """
    scores = reduce(add, (scene.scores for scene in scenes))
    curve = _curve(scenes, scores)
    verifier = choose_verifier(model, config.verify)
    raw = {
        "model": model.card.name,
        "verifier": verifier.card.name if verifier else None,
        "threshold": threshold,
        "min_peak": min_peak,
        "confidence": CONFIDENCE,
        "settings": config.model_dump(include=SETTINGS),
        **totals_by_scene([(scene, threshold) for scene in scenes]),
        "curve": curve,
        "peak_curve": _peak_curve(scenes),
        "operating_points": operating_points(scenes, threshold, min_peak),
        "best_threshold": {
            "ships_f1": _best(curve, "f1", threshold),
            "pixel_dice": _best(curve, "pixel_dice", threshold),
        },
        "average_precision": {
            f"ships_iou_{CURVE_IOU}": average_precision([(row["recall"], row["precision"]) for row in curve]),
            "pixels": _pixel_average_precision(scores.pixels),
        },
        "by_land_m": _by_land(scenes),
        "calibration": _calibration(scores.pixels, model.card.temperature),
        "notes": _notes(scenes, scores.pixels),
    }
    rounded: Figures = _rounded(raw)
    return rounded


def totals_by_scene(scenes: Sequence[tuple[EvaluatedScene, float]]) -> Figures:
    """Compute the metrics of pixels and ships for each scene and over all scenes.

    Args:
        scenes: At least one scene, each with the threshold of its run. The scenes may come from several evaluations.

    Returns:
        `all`, over the scenes together; `scenes`, for each scene; `matched_ships`, errors of length and heading;
        `by_length_m`, by classes of the ships' length.
    """
    by_name = {scene.files.name: _totals([(scene, threshold)]) for scene, threshold in scenes}
    together = [scene for scene, _ in scenes]
    totals: Figures = _rounded(
        {
            "all": _totals(scenes), "scenes": by_name, "matched_ships": _errors(together),
            "by_length_m": _by_length(together),
        }
    )  # fmt: skip
    return totals


def _totals(scenes: Sequence[tuple[EvaluatedScene, float]]) -> Figures:
    """Metrics over scenes at their thresholds; `without_ignore` where one of them has an ignore layer."""
    with_layer = any(scene.files.ignore for scene, _ in scenes)
    return {**_sums(scenes, ignore=True), "without_ignore": _sums(scenes, ignore=False) if with_layer else None}


def _sums(scenes: Sequence[tuple[EvaluatedScene, float]], *, ignore: bool) -> Figures:
    pixels = reduce(add, (scene.scores.at(threshold, ignore=ignore) for scene, threshold in scenes))
    comparisons = [scene.comparison for scene, _ in scenes]
    touched = _of_ships(
        [comparison.touched(ignore=ignore) for comparison in comparisons],
        [comparison.touched_units(ignore=ignore) for comparison in comparisons],
    )
    matched = {
        f"iou_{iou}": _of_ships([comparison.one_to_one(iou, ignore=ignore) for comparison in comparisons])
        for iou in IOUS
    }
    blocks = [scene.blocks.units(ignore=ignore) for scene, _ in scenes]
    return {"pixels": _of_pixels(pixels, blocks), "ships": {"touched": touched, **matched}}


def _of_pixels(counts: PixelCounts, blocks: Sequence[Units]) -> Figures:
    values = {name: getattr(counts, name) for name in ("iou", "dice", "precision", "recall")}
    return {**values, **_named(pixel_intervals(blocks))}


def _of_ships(scenes: Sequence[ObjectCounts], units: Sequence[Units] = ()) -> Figures:
    """Counts over scenes, and metrics with their intervals. units: of each scene; by default those of matches."""
    counts = reduce(add, scenes)
    return {
        "labelled": counts.labelled, "found": counts.predicted,
        "hit": counts.matched_labels, "right": counts.matched_predictions,
        "precision": counts.precision, "recall": counts.recall, "f1": counts.f1,
        **_named(object_intervals(units or [Units.of_matches(scene) for scene in scenes], counts)),
    }  # fmt: skip


def _named(intervals: dict[str, Interval]) -> Figures:
    return {f"{name}_interval": interval for name, interval in intervals.items()}


def _curve(scenes: Sequence[EvaluatedScene], scores: ScoreCounts) -> list[Figures]:
    rows = []
    for index, threshold in enumerate(scores.thresholds):
        pixels = scores.at(threshold)
        rows.append({
            "threshold": threshold, **_rates([scene.curve[index] for scene in scenes]),
            "pixel_iou": pixels.iou, "pixel_dice": pixels.dice,
        })  # fmt: skip
    return rows


def _peak_curve(scenes: Sequence[EvaluatedScene]) -> list[Figures]:
    """Ships by minimum peak score, at the threshold of the run."""
    return [
        {"min_peak": min_peak, **_rates([scene.peaks[min_peak] for scene in scenes])} for min_peak in scenes[0].peaks
    ]


def _rates(scenes: Sequence[ObjectCounts]) -> Figures:
    ships = _of_ships(scenes)
    return {name: ships[name] for name in ships if name not in ("labelled", "hit", "right")}


def _best(curve: Sequence[Figures], name: str, threshold: float) -> Figures:
    """The threshold of the highest value; of equal values the threshold closest to that of the run."""
    known = [row for row in curve if not math.isnan(row[name])] or curve
    best = max(known, key=lambda row: (row[name], -abs(row["threshold"] - threshold)))
    return {"threshold": best["threshold"], "value": best[name]}


def _pixel_average_precision(pixels: ScoredPixels) -> float:
    if not pixels.has_both_labels:
        return math.nan
    return float(average_precision_score(pixels.ship, pixels.logits, sample_weight=pixels.count))


def _by_length(scenes: Sequence[EvaluatedScene]) -> list[Figures]:
    ships, predicted = size_classes.labelled_ships(scenes), size_classes.predicted_ships(scenes)
    return [
        {
            "class": name, "labelled": int(inside.sum()), "hit": int(ships.matched[inside].sum()),
            **_share("recall", ships.matched[inside]),
            "found": int(like.sum()), **_share("precision", predicted.matched[like]),
            "length_error_m": _error(ships.error[inside & ships.matched & np.isfinite(ships.error)]),
        }
        for (name, inside), (_, like) in zip(
            size_classes.split(ships.length, size_classes.LENGTH_EDGES),
            size_classes.split(predicted.length, size_classes.LENGTH_EDGES), strict=True,
        )
    ]  # fmt: skip


def _by_land(scenes: Sequence[EvaluatedScene]) -> list[Figures] | None:
    if not any(scene.files.land for scene in scenes):
        return None
    ships = size_classes.labelled_ships(scenes)
    predicted = size_classes.predicted_ships(scenes)
    return [
        {
            "class": name, "labelled": int(inside.sum()), "hit": int(ships.matched[inside].sum()),
            **_share("recall", ships.matched[inside]),
            "found": int(near.sum()), **_share("precision", predicted.matched[near]),
        }
        for (name, inside), (_, near) in zip(
            size_classes.split(ships.land, size_classes.LAND_EDGES),
            size_classes.split(predicted.land, size_classes.LAND_EDGES), strict=True,
        )
    ]  # fmt: skip


def _errors(scenes: Sequence[EvaluatedScene]) -> Figures:
    matched = size_classes.matched_ships(scenes)
    headings, long = matched.heading_errors, matched.long
    return {
        "iou": CURVE_IOU,
        "length_error_m": _error(matched.length_errors),
        "heading_error_deg": _headings(headings),
        "long": {
            "longer_than_m": size_classes.LONG_SHIP,
            "length_error_m": _error(long.length_errors),
            "heading_error_deg": _headings(size_classes.heading_difference(long.predicted[:, 2], long.labelled[:, 2])),
        },
    }


def _headings(errors: NDArray[np.float64]) -> Figures:
    return {**_absolute(errors), "share_within_10": _mean(errors <= size_classes.HEADING_TOLERANCE)}


def _error(errors: NDArray[np.float64]) -> Figures:
    """Absolute errors, and the mean error (negative: predicted too short)."""
    return {**_absolute(errors), "mean": _mean(errors)}


def _absolute(errors: NDArray[np.float64]) -> Figures:
    """Number of errors, and mean and median absolute error."""
    return {
        "ships": int(errors.size),
        "mean_absolute": _mean(np.abs(errors)),
        "median_absolute": float(np.median(np.abs(errors))) if errors.size else math.nan,
    }


def _calibration(pixels: ScoredPixels, card_temperature: float) -> Figures | None:
    if not pixels.has_both_labels:
        return None
    before, temperature = calibration(pixels), fit_temperature(pixels)
    after = calibration(tempered(pixels, temperature))
    return {
        **asdict(before),
        "bins": [asdict(row) for row in before.bins],
        "temperature": temperature,
        "card_temperature": card_temperature,
        "card_temperature_fitted": card_temperature * temperature,
        "after": {"ece": after.ece, "brier": after.brier, "log_loss": after.log_loss},
    }


def _notes(scenes: Sequence[EvaluatedScene], pixels: ScoredPixels) -> list[str]:
    notes = []
    if unknown := sum(ship.measures.length_m is None for scene in scenes for ship in scene.labels):
        notes.append(f"{unknown} labelled ships have no length: their scenes are not georeferenced.")
    without = [scene.files.name for scene in scenes if scene.files.land is None]
    if without:
        notes.append(f"No distance to land: no land layer for {', '.join(without)}.")
    if not pixels.has_both_labels:
        notes.append("No calibration: the scenes do not have both ship pixels and water pixels.")
    return notes


def _share(name: str, matched: NDArray[np.bool_]) -> Figures:
    """A share of ships by its name, with its interval."""
    return {name: _mean(matched), f"{name}_interval": proportion_interval(int(matched.sum()), matched.size)}


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else math.nan


def _rounded(value: Any) -> Any:
    """Round numbers to few decimals, and replace NaN by None."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, tuple) and any(map(math.isnan, value)):  # an interval that is not known
        return None
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, _DECIMALS)
    return value
