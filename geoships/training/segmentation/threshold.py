"""The threshold with the greatest IoU on the validation data."""

from __future__ import annotations

import torch

BINS = 100  # of scores from 0 to 1


def best_threshold(counts: torch.Tensor) -> float:
    """The minimum score of a ship pixel at which the IoU is greatest; of several, the middle one.

    Args:
        counts: (2, bins), pixels without and with a ship by score, in bins of one width from 0 to 1.

    >>> best_threshold(torch.tensor([[9.0, 1, 0, 0], [0, 0, 2, 3]]))
    0.5
    """
    above = counts.flip(1).cumsum(1).flip(1)[:, 1:]  # at thresholds 1 / bins, 2 / bins, ...
    iou = above[1] / (above[0] + counts[1].sum()).clamp(min=1)
    best = (iou == iou.max()).nonzero().flatten()
    return round((int(best[len(best) // 2]) + 1) / counts.shape[1], 2)
