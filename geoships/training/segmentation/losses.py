"""Losses by name, and sums of them; pixels that are ignored count in none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import segmentation_models_pytorch as smp
import torch
from torch import nn

from geoships.scene.layers.labels import IGNORED

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LOSSES: dict[str, Callable[[], Loss]] = {
    "bce": smp.losses.SoftBCEWithLogitsLoss,
    "dice": lambda: smp.losses.DiceLoss("binary"),
    "focal": lambda: smp.losses.FocalLoss("binary"),
    "jaccard": lambda: smp.losses.JaccardLoss("binary"),
    "lovasz": lambda: smp.losses.LovaszLoss("binary", per_image=False),
    "tversky": lambda: smp.losses.TverskyLoss("binary", alpha=0.3, beta=0.7),
}


class WeightedLoss(nn.Module):
    """A sum of losses.

    weights: weight of each loss, by its name in LOSSES.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._losses = [(weight, LOSSES[name]()) for name, weight in weights.items()]

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Loss of logits (n, 1, rows, columns) for a mask of the same shape; 0 where all is ignored."""
        known = mask != IGNORED
        if not known.any():
            return logits.sum() * 0
        # One row of the pixels that count: every loss takes that shape, also those that cannot ignore any.
        scores, truth = logits.float()[known][None, None], mask[known][None, None].float()
        parts = [weight * loss(scores, truth) for weight, loss in self._losses]
        return torch.stack(parts).sum()
