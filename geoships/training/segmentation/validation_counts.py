"""Counts of the pixels of one class on the validation data, and its figures."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from geoships.training.segmentation.threshold import BINS, best_threshold


class ClassCounts:
    """Pixels of one class by label and score."""

    def __init__(self) -> None:
        self._scores = torch.zeros(2, BINS)  # without and with the class
        self._both = torch.zeros(2)  # intersection and union at a score of 0.5

    def feed(self, scores: torch.Tensor, mask: torch.Tensor) -> None:
        """Add pixels. scores: any shape, 0 to 1. mask: same shape: BACKGROUND, SHIP or IGNORED."""
        for kind in (0, 1):
            self._scores[kind] += torch.histc(scores[mask == kind], BINS, 0, 1)
        found, ship, known = scores > 0.5, mask == 1, mask <= 1
        self._both += torch.stack(((found & ship).sum(), ((found | ship) & known).sum()))

    @property
    def labelled(self) -> bool:
        """Whether any pixel is labelled as one of the class."""
        return bool(self._scores[1].any())

    @property
    def iou(self) -> float:
        """Intersection over union of pixels with a score above 0.5."""
        return float(self._both[0] / self._both[1].clamp(min=1))

    @property
    def threshold(self) -> float:
        """Minimum score at which the IoU is greatest; 0.5 for a class without a labelled pixel."""
        return best_threshold(self._scores)


def mean_iou(classes: Sequence[ClassCounts]) -> float:
    """Mean IoU of the classes that are labelled; of all where none is."""
    judged = [counts for counts in classes if counts.labelled] or classes
    return sum(counts.iou for counts in judged) / len(judged)
