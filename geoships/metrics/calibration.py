"""Calibration of pixel scores: whether 80 % of the pixels with a score of 0.8 are ship pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from geoships.metrics.scores import ScoredPixels

BINS = 10
_TEMPERATURES = (0.05, 20.0)  # search range of the fit


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability diagram.

    Attributes:
        low: Lowest score of the bin.
        high: Upper limit of the scores; a score of `high` belongs to the next bin, except for 1.
        pixels: Number of pixels.
        score: Mean score of the pixels; NaN without pixels.
        ship: Fraction of the pixels that is labelled ship; NaN without pixels.
    """

    low: float
    high: float
    pixels: int
    score: float
    ship: float


@dataclass(frozen=True)
class Calibration:
    """Calibration errors of scores.

    Attributes:
        bins: The reliability diagram, BINS bins of equal width.
        ece: Expected calibration error (Guo et al. 2017, On calibration of modern neural networks, equation 3).
        brier: Brier score: mean squared difference of score and label.
        log_loss: Mean negative log likelihood, in nats.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    brier: float
    log_loss: float


def calibration(pixels: ScoredPixels) -> Calibration:
    """Measure the calibration of scores.

    Args:
        pixels: Ship and water pixels; at least one of each.

    Returns:
        The calibration errors.
    """
    index = np.minimum((pixels.scores * BINS).astype(int), BINS - 1)
    count, score, ship = (
        np.bincount(index, weights, BINS)
        for weights in (pixels.count, pixels.count * pixels.scores, pixels.count * pixels.ship)
    )
    with np.errstate(invalid="ignore"):
        mean_score, mean_ship = score / count, ship / count
    bins = tuple(
        ReliabilityBin(i / BINS, (i + 1) / BINS, int(count[i]), float(mean_score[i]), float(mean_ship[i]))
        for i in range(BINS)
    )
    return Calibration(
        bins,
        float(np.abs(score - ship).sum() / count.sum()),
        float(brier_score_loss(pixels.ship, pixels.scores, sample_weight=pixels.count)),
        float(log_loss(pixels.ship, pixels.scores, sample_weight=pixels.count)),
    )


def fit_temperature(pixels: ScoredPixels) -> float:
    """Fit a temperature: dividing the logits by it minimises the log loss (Guo et al. 2017, section 4.2).

    Args:
        pixels: Ship and water pixels; at least one of each. Where their scores are tempered already, the result is a
            further factor.

    Returns:
        The temperature, between 0.05 and 20.
    """
    weights = pixels.count / pixels.count.sum()
    signed = np.where(pixels.ship, -pixels.logits, pixels.logits)

    def loss(log_temperature: float) -> float:
        return float(weights @ np.logaddexp(0, signed / np.exp(log_temperature)))

    low, high = np.log(_TEMPERATURES).tolist()
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def tempered(pixels: ScoredPixels, temperature: float) -> ScoredPixels:
    """The same pixels with their logits divided by a temperature."""
    return ScoredPixels(pixels.logits / temperature, pixels.ship, pixels.count)
