"""Scores of masks and ships: plain functions of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.metrics.matching import overlaps


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of two masks: ship in both, only in the found one, only in the true one.

    >>> PixelCounts(both=6, found_only=2, true_only=4).iou
    0.5
    """

    both: int
    found_only: int
    true_only: int

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(self.both + other.both, self.found_only + other.found_only, self.true_only + other.true_only)

    @property
    def iou(self) -> float:
        """Intersection over union (Jaccard index); NaN where neither mask has a pixel."""
        union = self.both + self.found_only + self.true_only
        return self.both / union if union else float("nan")

    @property
    def dice(self) -> float:
        """Dice coefficient, 2 |A and B| / (|A| + |B|); NaN where neither mask has a pixel."""
        total = 2 * self.both + self.found_only + self.true_only
        return 2 * self.both / total if total else float("nan")

    @property
    def precision(self) -> float:
        """Part of the found pixels that are true; NaN when none was found."""
        found = self.both + self.found_only
        return self.both / found if found else float("nan")

    @property
    def recall(self) -> float:
        """Part of the true pixels that were found; NaN when there is none."""
        true = self.both + self.true_only
        return self.both / true if true else float("nan")


def count_pixels(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> PixelCounts:
    """Compare two masks of one shape."""
    return PixelCounts(int((found & true).sum()), int((found & ~true).sum()), int((~found & true).sum()))


@dataclass(frozen=True)
class ObjectCounts:
    """Ships of one or many scenes.

    true: labelled ships. found: ships found. hit: labelled ships that a found one matches.
    right: found ships that match a labelled one.
    """

    true: int
    found: int
    hit: int
    right: int

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(
            self.true + other.true, self.found + other.found, self.hit + other.hit, self.right + other.right
        )

    @property
    def recall(self) -> float:
        """Part of the labelled ships that were found; NaN without labels."""
        return self.hit / self.true if self.true else float("nan")

    @property
    def precision(self) -> float:
        """Part of the found ships that are labelled; NaN when none was found."""
        return self.right / self.found if self.found else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.hit else 0.0


def match_objects(found: Sequence[BaseGeometry], true: Sequence[BaseGeometry], min_iou: float = 0.0) -> ObjectCounts:
    """Match found ships with labelled ones: their areas overlap by an IoU above `min_iou` (0: they touch).

    All polygons are in one plane CRS or in pixels. One found ship may match several labels, and the
    other way round.
    """
    pairs = overlaps(found, true)
    pairs = pairs.where(pairs.iou > min_iou)
    return ObjectCounts(len(true), len(found), np.unique(pairs.true).size, np.unique(pairs.found).size)


def average_precision(points: Sequence[tuple[float, float]]) -> float:
    """Area under the points (recall, precision), each recall at the best precision of that or a greater recall.

    That is the interpolated average precision of Everingham et al. (2010, The Pascal Visual Object Classes
    Challenge, section 4.2), over all recalls that occur. Points with NaN do not count.

    >>> average_precision([(0.5, 1.0), (1.0, 0.5), (0.25, 0.5)])
    0.75
    """
    known = sorted(point for point in points if not any(map(math.isnan, point)))
    area, before = 0.0, 0.0
    for index, (recall, _) in enumerate(known):
        area += (recall - before) * max(precision for _, precision in known[index:])
        before = recall
    return area
