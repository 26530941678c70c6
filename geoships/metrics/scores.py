"""Pixel scores beside their labels, as counts that add up over scenes of any size."""

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
LIMIT = 16  # logits are kept from -16 to 16, which is where a float32 score becomes 1
STEPS = 512  # for each whole logit; a score is off by 0.00025 at most
_VALUES = 2 * LIMIT * STEPS + 1


@dataclass(frozen=True)
class ScoreCounts:
    """How many pixels have which score and which label.

    thresholds: ascending. passed: (water, ship or ignored; thresholds + 1), pixels by the number of thresholds that
    their score reaches, exact. values: (water, ship or ignored; 2 * LIMIT * STEPS + 1), pixels by the logit of their
    score, rounded to steps of 1 / STEPS.
    """

    thresholds: tuple[float, ...]
    passed: Counts
    values: Counts

    @classmethod
    def none(cls, thresholds: Sequence[float]) -> ScoreCounts:
        """Counts of no pixel."""
        shape = KINDS, len(thresholds) + 1
        return cls(tuple(thresholds), np.zeros(shape, np.int64), np.zeros((KINDS, _VALUES), np.int64))

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        return ScoreCounts(self.thresholds, self.passed + other.passed, self.values + other.values)

    def feed(self, scores: NDArray[np.float32], valid: NDArray[np.bool_], labels: NDArray[np.uint8]) -> None:
        """Add pixels: scores 0 to 1, whether they hold data, and BACKGROUND, SHIP or IGNORED; all of one shape."""
        found, label = scores[valid], labels[valid]
        steps = np.asarray(self.thresholds, np.float32)  # the precision in which ships are told from water
        passed = np.searchsorted(steps, found, side="right")
        value = np.rint((logit(found.astype(np.float64)).clip(-LIMIT, LIMIT) + LIMIT) * STEPS).astype(np.intp)
        for kind, chosen in enumerate((~np.isin(label, (SHIP, IGNORED)), label == SHIP, label == IGNORED)):
            self.passed[kind] += np.bincount(passed[chosen], minlength=self.passed.shape[1])
            self.values[kind] += np.bincount(value[chosen], minlength=_VALUES)

    def at(self, threshold: float, *, ignore: bool = True) -> PixelCounts:
        """Compare the mask at one of the thresholds with the labels; without `ignore`, ignored pixels are water."""
        first = self.thresholds.index(threshold) + 1
        water, ship, ignored = self.passed[:, first:].sum(axis=1).tolist()
        return PixelCounts(ship, water + (0 if ignore else ignored), int(self.passed[1].sum()) - ship)

    @cached_property
    def pixels(self) -> Pixels:
        """The pixels that are not ignored, those of one score and label together."""
        kind, value = np.nonzero(self.values[:2])
        return Pixels(value / STEPS - LIMIT, kind == 1, self.values[kind, value])


@dataclass(frozen=True)
class Pixels:
    """Logits of scores, whether they are of labelled ships, and of how many pixels; all (n,)."""

    logits: NDArray[np.float64]
    ship: NDArray[np.bool_]
    count: Counts

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The scores, 0 to 1."""
        return np.asarray(expit(self.logits))

    @property
    def both_kinds(self) -> bool:
        """Whether there are pixels of ships and of water."""
        return bool(self.ship.any() and not self.ship.all())
