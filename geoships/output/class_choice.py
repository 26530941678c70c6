"""Which class a pixel belongs to, given the scores of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geoships.output.stitch import RowBand

NONE = -1  # the number of no class


def choose_class(scores: NDArray[np.float32], thresholds: Sequence[float], *, exclusive: bool) -> NDArray[np.intp]:
    """The class of each pixel for a mask, which has one value a pixel.

    Args:
        scores: (classes, rows, columns), 0 to 1.
        thresholds: Minimum score of each class.
        exclusive: Whether a pixel is of the class with the highest score or of none, as after a softmax. Otherwise it
            is of the class with the highest score of those that reach their thresholds.

    Returns:
        Number of the class, from 0, or NONE, (rows, columns).

    >>> scores = np.array([0.5, 0.45], np.float32).reshape(2, 1, 1)
    >>> [int(choose_class(scores, (0.6, 0.4), exclusive=each)[0, 0]) for each in (True, False)]
    [-1, 1]
    """
    reached = scores >= np.asarray(thresholds, np.float32)[:, None, None]
    best = (scores if exclusive else np.where(reached, scores, np.float32(NONE))).argmax(axis=0)
    return np.where(np.take_along_axis(reached, best[None], 0)[0], best, NONE)


def only_highest(bands: Sequence[RowBand]) -> tuple[RowBand, ...]:
    """The row bands of classes that exclude each other: each score is 0 where another class has a higher one."""
    best = np.stack([band.scores for band in bands]).argmax(axis=0)
    return tuple(
        replace(band, scores=np.where(best == kind, band.scores, np.float32(0))) for kind, band in enumerate(bands)
    )
