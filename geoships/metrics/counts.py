"""Counts of pixels and ships, and the accuracy metrics that they give."""

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
    """Confusion counts of the pixels of a predicted and a labelled mask.

    Attributes:
        true_positives: Ship pixels of both masks.
        false_positives: Ship pixels of the predicted mask only.
        false_negatives: Ship pixels of the labelled mask only.

    >>> PixelCounts(true_positives=6, false_positives=2, false_negatives=4).iou
    0.5
    """

    true_positives: int
    false_positives: int
    false_negatives: int

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def iou(self) -> float:
        """Intersection over union (Jaccard index); NaN where neither mask has a pixel."""
        union = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / union if union else float("nan")

    @property
    def dice(self) -> float:
        """Dice coefficient, 2 |A and B| / (|A| + |B|); NaN where neither mask has a pixel."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else float("nan")

    @property
    def precision(self) -> float:
        """Fraction of the predicted ship pixels that are labelled ship; NaN without predicted ship pixels."""
        predicted = self.true_positives + self.false_positives
        return self.true_positives / predicted if predicted else float("nan")

    @property
    def recall(self) -> float:
        """Fraction of the labelled ship pixels that are predicted ship; NaN without labelled ship pixels."""
        labelled = self.true_positives + self.false_negatives
        return self.true_positives / labelled if labelled else float("nan")


def count_pixels(predicted: NDArray[np.bool_], labelled: NDArray[np.bool_]) -> PixelCounts:
    """Count the pixels of a predicted and a labelled mask of the same shape."""
    return PixelCounts(
        int((predicted & labelled).sum()), int((predicted & ~labelled).sum()), int((~predicted & labelled).sum())
    )


@dataclass(frozen=True)
class ObjectCounts:
    """Counts of ships in one or many scenes.

    Attributes:
        labelled: Labelled ships.
        predicted: Predicted ships.
        matched_labels: Labelled ships that a predicted ship matches.
        matched_predictions: Predicted ships that match a labelled ship.
    """

    labelled: int
    predicted: int
    matched_labels: int
    matched_predictions: int

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(
            self.labelled + other.labelled,
            self.predicted + other.predicted,
            self.matched_labels + other.matched_labels,
            self.matched_predictions + other.matched_predictions,
        )

    @property
    def recall(self) -> float:
        """Fraction of the labelled ships that are matched; NaN without labelled ships."""
        return self.matched_labels / self.labelled if self.labelled else float("nan")

    @property
    def precision(self) -> float:
        """Fraction of the predicted ships that are matched; NaN without predicted ships."""
        return self.matched_predictions / self.predicted if self.predicted else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 without a match."""
        return self.f_score(1.0)

    def f_score(self, beta: float) -> float:
        """Weighted harmonic mean of precision and recall (van Rijsbergen 1979, Information Retrieval, chapter 7).

        Args:
            beta: How many times as much recall weighs as precision.

        Returns:
            The score, 0 to 1; 0 without a match.
        """
        if not self.matched_labels:
            return 0.0
        weight = beta * beta
        return (1 + weight) * self.precision * self.recall / (weight * self.precision + self.recall)


def match_objects(
    predicted: Sequence[BaseGeometry], labelled: Sequence[BaseGeometry], min_iou: float = 0.0
) -> ObjectCounts:
    """Count the predicted and labelled ships that overlap by an IoU above a minimum.

    One predicted ship may match several labelled ships, and the other way round.

    Args:
        predicted: Valid polygons, in one projected CRS or in pixels.
        labelled: Valid polygons, likewise.
        min_iou: The IoU that a match must exceed; 0 for any overlap.

    Returns:
        The counts.
    """
    pairs = overlaps(predicted, labelled)
    pairs = pairs.select(pairs.iou > min_iou)
    matched_labels, matched_predictions = np.unique(pairs.labelled).size, np.unique(pairs.predicted).size
    return ObjectCounts(len(labelled), len(predicted), matched_labels, matched_predictions)


def average_precision(points: Sequence[tuple[float, float]]) -> float:
    """Average precision: the area under the interpolated precision-recall curve.

    The precision at each recall is the maximum precision at that or a higher recall (Everingham et al. 2010, The
    Pascal Visual Object Classes Challenge, section 4.2), over all recalls that occur.

    Args:
        points: Pairs (recall, precision), one per threshold; pairs with NaN are left out.

    Returns:
        The average precision, 0 to 1.

    >>> average_precision([(0.5, 1.0), (1.0, 0.5), (0.25, 0.5)])
    0.75
    """
    known = sorted(point for point in points if not any(map(math.isnan, point)))
    area, previous = 0.0, 0.0
    for index, (recall, _) in enumerate(known):
        area += (recall - previous) * max(precision for _, precision in known[index:])
        previous = recall
    return area
