"""The label margin of a model: how much longer its outlines are than hulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.evaluation.size_classes import matched_ships
from geoships.metrics.intervals import CONFIDENCE, SAMPLES

MIN_SHIPS = 20  # with fewer matched ships the margin stays


def choose_margin(scenes: Sequence[EvaluatedScene], stated: float, gsd: float) -> dict[str, Any]:
    """Choose the label margin by which predicted lengths are right in the median.

    The labels are longer than hulls by the stated margin; a model may draw ships longer or shorter than the labels that
    it was trained on. Where the interval of that median difference does not hold 0, it is added to the margin.

    Args:
        scenes: Evaluated by models that had not seen them; lengths are reduced by the stated margin.
        stated: Margin of the labels, in pixels of `gsd` metres.
        gsd: Pixel size of the model.

    Returns:
        `stated` and `chosen`, in pixels of `gsd`; `ships`, `bias_m` and `bias_m_interval`: of predicted minus labelled
        lengths in metres, None with fewer than MIN_SHIPS matched ships.
    """
    errors = matched_ships(scenes).length_errors
    errors = errors[np.isfinite(errors)]
    result: dict[str, Any] = {"stated": stated, "chosen": stated, "ships": int(errors.size)}
    if errors.size < MIN_SHIPS:
        return {**result, "bias_m": None, "bias_m_interval": None}
    limits = bootstrap(
        (errors,), np.median, confidence_level=CONFIDENCE, n_resamples=SAMPLES, method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    bias, low, high = float(np.median(errors)), float(limits.low), float(limits.high)
    if low > 0 or high < 0:
        result["chosen"] = round(max(0.0, stated + bias / gsd), 2)
    return {**result, "bias_m": round(bias, 2), "bias_m_interval": [round(low, 2), round(high, 2)]}
