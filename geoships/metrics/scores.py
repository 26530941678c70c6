"""Histograms of pixel scores by label, which can be summed over scenes of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from geoships.metrics.counts import PixelCounts
from geoships.scene.layers.labels import IGNORED, SHIP

Counts = NDArray[np.int64]
KINDS = 3  # water, ship, ignored
LIMIT = 16  # logits are clipped to -16..16; a float32 score of a higher logit is 1
STEPS = 512  # histogram bins per unit of the logit; the rounding error of a score is at most 0.00025
_VALUES = 2 * LIMIT * STEPS + 1


@dataclass(frozen=True)
class ScoreCounts:
    """Numbers of pixels by label and score. The first axis of all counts is the label: water, ship, ignored.

    Attributes:
        thresholds: Ascending thresholds.
        by_threshold: Exact numbers of pixels by how many thresholds their score reaches, (3, thresholds + 1).
        by_logit: Numbers of pixels by the logit of their score, rounded to steps of 1 / STEPS,
            (3, 2 * LIMIT * STEPS + 1).
    """

    thresholds: tuple[float, ...]
    by_threshold: Counts
    by_logit: Counts

    @classmethod
    def none(cls, thresholds: Sequence[float]) -> ScoreCounts:
        """Counts of zero."""
        shape = KINDS, len(thresholds) + 1
        return cls(tuple(thresholds), np.zeros(shape, np.int64), np.zeros((KINDS, _VALUES), np.int64))

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        return ScoreCounts(self.thresholds, self.by_threshold + other.by_threshold, self.by_logit + other.by_logit)

    def feed(
        self,
        scores: NDArray[np.float32],
        valid: NDArray[np.bool_],
        labels: NDArray[np.uint8],
        masked: NDArray[np.float32] | None = None,
    ) -> None:
        """Add the pixels of an array.

        Args:
            scores: Scores, 0 to 1; any shape.
            valid: Whether the pixels have data, same shape.
            labels: BACKGROUND, SHIP or IGNORED, same shape.
            masked: The scores that the mask is made of, where they are others, same shape: of classes that exclude each
                other, 0 where another class has a higher score.
        """
        reaching = scores[valid] if masked is None else masked[valid]
        scores, label = scores[valid], labels[valid]
        thresholds = np.asarray(self.thresholds, np.float32)  # the mask is thresholded in float32, too
        reached = np.searchsorted(thresholds, reaching, side="right")
        step = np.rint((logit(scores.astype(np.float64)).clip(-LIMIT, LIMIT) + LIMIT) * STEPS).astype(np.intp)
        for kind, chosen in enumerate((~np.isin(label, (SHIP, IGNORED)), label == SHIP, label == IGNORED)):
            self.by_threshold[kind] += np.bincount(reached[chosen], minlength=self.by_threshold.shape[1])
            self.by_logit[kind] += np.bincount(step[chosen], minlength=_VALUES)

    def at(self, threshold: float, *, ignore: bool = True) -> PixelCounts:
        """Compare the mask at a threshold with the labels.

        Args:
            threshold: One of the thresholds.
            ignore: Leave out ignored pixels; otherwise they count as water.

        Returns:
            The counts of the mask.
        """
        first = self.thresholds.index(threshold) + 1
        water, ship, ignored = self.by_threshold[:, first:].sum(axis=1).tolist()
        return PixelCounts(ship, water + (0 if ignore else ignored), int(self.by_threshold[1].sum()) - ship)

    @cached_property
    def pixels(self) -> ScoredPixels:
        """The pixels that are not ignored, grouped by label and rounded logit."""
        kind, step = np.nonzero(self.by_logit[:2])
        return ScoredPixels(step / STEPS - LIMIT, kind == 1, self.by_logit[kind, step])


@dataclass(frozen=True)
class ScoredPixels:
    """Groups of pixels with the same label and the same logit.

    Attributes:
        logits: Logit of the score, (groups,).
        ship: Whether the pixels are labelled ship; otherwise water, (groups,).
        count: Number of pixels, (groups,).
    """

    logits: NDArray[np.float64]
    ship: NDArray[np.bool_]
    count: Counts

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Scores, 0 to 1, (groups,)."""
        return np.asarray(expit(self.logits))

    @property
    def has_both_labels(self) -> bool:
        """Whether there are ship pixels and water pixels."""
        return bool(self.ship.any() and not self.ship.all())
