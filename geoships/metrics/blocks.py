"""Confusion counts of pixels by square blocks of a scene, for a bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoships.metrics.intervals import Units
from geoships.scene.layers.labels import IGNORED, SHIP

HIT, FALSE, FALSE_IGNORED, MISSED = range(4)


class BlockCounts:
    """Numbers of ship pixels in square blocks of a scene, at one threshold; pixels of water in both count nowhere.

    Attributes:
        counts: Of each block: labelled and predicted ship, predicted ship only, predicted ship in ignored parts, and
            labelled ship only, (blocks, 4).
    """

    def __init__(self, shape: tuple[int, int], side: int, threshold: float) -> None:
        """Divide a scene of `shape` (rows, columns) into blocks of `side` pixels; `threshold`: score of the mask."""
        self._side, self._threshold, self._columns = side, np.float32(threshold), -(-shape[1] // side)
        self.counts = np.zeros((-(-shape[0] // side) * self._columns, 4), np.int64)

    def feed(self, row: int, scores: NDArray[np.float32], valid: NDArray[np.bool_], labels: NDArray[np.uint8]) -> None:
        """Add finished rows of the scene.

        Args:
            row: First of the rows.
            scores: Scores, 0 to 1, (rows, columns).
            valid: Whether the pixels have data, same shape.
            labels: BACKGROUND, SHIP or IGNORED, same shape.
        """
        predicted, labelled = scores >= self._threshold, labels == SHIP
        rows, columns = np.nonzero((predicted | labelled) & valid)
        label = labels[rows, columns]
        kind = np.where(label == SHIP, HIT, np.where(label == IGNORED, FALSE_IGNORED, FALSE))
        kind[~predicted[rows, columns]] = MISSED
        block = (rows + row) // self._side * self._columns + columns // self._side
        self.counts += np.bincount(block * 4 + kind, minlength=self.counts.size).reshape(self.counts.shape)

    def units(self, *, ignore: bool = True) -> Units:
        """The blocks as units of a bootstrap; they count true positives, false positives and false negatives.

        Args:
            ignore: Leave out ignored pixels; otherwise they count as water.
        """
        hit, false, ignored, missed = self.counts.T
        return Units.of(np.stack([hit, false if ignore else false + ignored, missed], axis=1))
