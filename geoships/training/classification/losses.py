"""Losses of a classifier with one output."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from geoships.config.classification import ChipLoss


def chip_loss(logits: torch.Tensor, labels: torch.Tensor, settings: ChipLoss) -> torch.Tensor:
    """Mean loss of logits (n,) for labels (n,) of 0 and 1, ships weighted by `ship_weight`."""
    logits, labels = logits.float(), labels.float()
    truth = labels * (1 - settings.smoothing) + settings.smoothing / 2
    if settings.name == "focal":
        losses: torch.Tensor = sigmoid_focal_loss(logits, truth, alpha=-1, gamma=settings.gamma)
    else:
        losses = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    weights = 1 + (settings.ship_weight - 1) * labels
    mean: torch.Tensor = (losses * weights).sum() / weights.sum()
    return mean
