"""Confidence intervals of accuracy metrics: how far a figure may be off because few ships were counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from geoships.metrics.counts import ObjectCounts

CONFIDENCE = 0.95
SAMPLES = 2000  # draws of a bootstrap
MIN_BLOCKS = 5  # with fewer blocks that hold ship pixels, a bootstrap of blocks says nothing
_SEED = 0
_DRAWN = 1 << 22  # numbers that are drawn at a time

Interval = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What a bootstrap draws from one scene, with replacement: ships, or blocks of pixels. Equal units are grouped.

    Attributes:
        values: What a unit of each group counts, (groups, counts).
        number: Number of units in each group, (groups,).
    """

    values: NDArray[np.int64]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.int64]) -> Units:
        """Group single units, (units, counts)."""
        values, number = np.unique(rows, axis=0, return_counts=True)
        return cls(values, number.astype(np.int64))

    @classmethod
    def of_matches(cls, counts: ObjectCounts) -> Units:
        """The units of ships that were matched one to one: a match, a missed ship, or a false alarm.

        They count labelled and predicted ships, and those of them that are matched.
        """
        matched = counts.matched_labels
        values = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]], np.int64)
        return cls(values, np.array([matched, counts.labelled - matched, counts.predicted - matched], np.int64))


def resample(scenes: Sequence[Units]) -> Floats:
    """Draw as many units from each scene as it has, SAMPLES times (bootstrap, stratified by scene).

    The numbers of each group in a draw follow a multinomial distribution, so that they are drawn at once. The draws are
    the same in each call.

    Args:
        scenes: At least one scene.

    Returns:
        Sums of the counts over all scenes, (SAMPLES, counts).
    """
    random = np.random.default_rng(_SEED)
    sums = np.zeros((SAMPLES, scenes[0].values.shape[1]))
    for units in scenes:
        total = int(units.number.sum())
        if not total:
            continue
        step = max(1, _DRAWN // len(units.number))
        for start in range(0, SAMPLES, step):
            part = sums[start : start + step]
            part += random.multinomial(total, units.number / total, size=len(part)) @ units.values
    return sums


def proportion_interval(hits: int, total: int) -> Interval:
    """Wilson interval of a proportion (Wilson 1927, Probable inference, the law of succession), by scipy.

    Args:
        hits: Number of hits.
        total: Number of trials.

    Returns:
        Low and high limit; NaN without trials.

    >>> [round(limit, 3) for limit in proportion_interval(8, 10)]
    [0.49, 0.943]
    """
    if not total:
        return math.nan, math.nan
    limits = binomtest(hits, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(limits.low), float(limits.high)


def object_intervals(scenes: Sequence[Units], counts: ObjectCounts) -> dict[str, Interval]:
    """Intervals of precision and recall (Wilson), and of F1 (bootstrap over ships, stratified by scene).

    Args:
        scenes: The units of each scene; they count labelled ships, predicted ships, matched labels and matched
            predictions.
        counts: Their sums.

    Returns:
        The intervals by metric.
    """
    return {
        "precision": proportion_interval(counts.matched_predictions, counts.predicted),
        "recall": proportion_interval(counts.matched_labels, counts.labelled),
        "f1": _f1_interval(scenes, counts),
    }


def _f1_interval(scenes: Sequence[Units], counts: ObjectCounts) -> Interval:
    total = sum(int(units.number.sum()) for units in scenes)
    matched = sum(int(units.number[units.values[:, 2] > 0].sum()) for units in scenes)
    if matched in (0, total):  # all draws are alike; F1 = 2 J / (1 + J), J: matches among matches and errors
        low, high = proportion_interval(matched, total)
        return (2 * low / (1 + low), 2 * high / (1 + high)) if counts.labelled else (math.nan, math.nan)
    labelled, predicted, labels, predictions = resample(scenes).T
    recall, precision = _ratio(labels, labelled), _ratio(predictions, predicted)
    return _limits(np.where(labels > 0, _ratio(2 * precision * recall, precision + recall), 0.0))


def pixel_intervals(scenes: Sequence[Units]) -> dict[str, Interval]:
    """Intervals of pixel metrics: bootstrap over square blocks of pixels, stratified by scene.

    Args:
        scenes: The blocks of each scene; they count true positives, false positives and false negatives.

    Returns:
        The intervals by metric; NaN with fewer than MIN_BLOCKS blocks that hold ship pixels.
    """
    blocks = sum(int(units.number[units.values.any(axis=1)].sum()) for units in scenes)
    if blocks < MIN_BLOCKS:
        return dict.fromkeys(("iou", "dice", "precision", "recall"), (math.nan, math.nan))
    hit, false, missed = resample(scenes).T
    return {
        "iou": _limits(_ratio(hit, hit + false + missed)),
        "dice": _limits(_ratio(2 * hit, 2 * hit + false + missed)),
        "precision": _limits(_ratio(hit, hit + false)),
        "recall": _limits(_ratio(hit, hit + missed)),
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _limits(values: NDArray[Any]) -> Interval:
    """Percentile interval of the draws in which a metric is defined."""
    known = values[np.isfinite(values)]
    if not known.size:
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
