"""Whether scores mean what they say: that of the pixels with a score of 0.8, 80 % are ship."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from geoships.metrics.scores import Pixels

BINS = 10
_RANGE = (0.05, 20.0)  # temperatures that are tried


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels whose scores lie between two values.

    low, high: the scores; high belongs to the next bin, except for 1. pixels: how many. score: their mean score.
    ship: part of them that is labelled ship. Score and ship are NaN without pixels.
    """

    low: float
    high: float
    pixels: int
    score: float
    ship: float


@dataclass(frozen=True)
class Calibration:
    """How far scores are from frequencies.

    bins: reliability table. ece: expected calibration error (Guo et al. 2017, equation 3). brier: mean squared
    difference of score and label. log_loss: mean negative log likelihood, in nats.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    brier: float
    log_loss: float


def calibration(pixels: Pixels) -> Calibration:
    """Compare scores with labels; pixels of both kinds are there."""
    number = np.minimum((pixels.scores * BINS).astype(int), BINS - 1)
    count, score, ship = (
        np.bincount(number, weights, BINS)
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


def fit_temperature(pixels: Pixels) -> float:
    """The temperature by which logits are divided for the least log loss (Guo et al. 2017, section 4.2).

    Pixels of both kinds are there. It comes on top of a temperature that the scores already have.
    Between 0.05 and 20.
    """
    weights = pixels.count / pixels.count.sum()
    signed = np.where(pixels.ship, -pixels.logits, pixels.logits)

    def loss(log_temperature: float) -> float:
        return float(weights @ np.logaddexp(0, signed / np.exp(log_temperature)))

    low, high = np.log(_RANGE).tolist()
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def tempered(pixels: Pixels, temperature: float) -> Pixels:
    """The pixels with the scores that they have once their logits are divided by a temperature."""
    return Pixels(pixels.logits / temperature, pixels.ship, pixels.count)
