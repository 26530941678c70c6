"""Losses by name, and sums of them; ignored pixels count in none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional

from geoships.scene.layers.labels import IGNORED, SHIP

# (logits, ships, known, weights), each (crops, 1, rows, columns) float32; known is 1 on pixels that count, else 0.
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def bce(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy; the mean over pixels that count, each multiplied by its weight."""
    each = functional.binary_cross_entropy_with_logits(logits, ship, reduction="none")
    return (each * weight * known).sum() / known.sum().clamp(min=1)


def dice(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """1 - Dice coefficient of the whole batch.

    Milletari et al., V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation, 2016.
    """
    return _dice(logits, ship, known, (0, 1, 2, 3))


def crop_dice(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """1 - Dice coefficient of each crop that shows a ship, their mean: small ships count as much as large ones."""
    each = _dice(logits, ship, known, (1, 2, 3))
    some = ((ship * known).sum((1, 2, 3)) > 0).float()
    return (each * some).sum() / some.sum().clamp(min=1)


def _dice(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, over: tuple[int, ...]) -> torch.Tensor:
    scores, ship = logits.sigmoid() * known, ship * known
    return 1 - (2 * (scores * ship).sum(over) + 1) / (scores.sum(over) + ship.sum(over) + 1)


def _of_smp(loss: nn.Module) -> Loss:
    def compute(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        # One row of the pixels that count: every loss takes that shape, also those that cannot ignore any.
        counted = known > 0
        value: torch.Tensor = loss(logits[counted][None, None], ship[counted][None, None])
        return value

    return compute


LOSSES: dict[str, Callable[[], Loss]] = {
    "bce": lambda: bce,
    "crop_dice": lambda: crop_dice,
    "dice": lambda: dice,
    "focal": lambda: _of_smp(smp.losses.FocalLoss("binary")),
    "jaccard": lambda: _of_smp(smp.losses.JaccardLoss("binary")),
    "lovasz": lambda: _of_smp(smp.losses.LovaszLoss("binary", per_image=False)),
    "tversky": lambda: _of_smp(smp.losses.TverskyLoss("binary", alpha=0.3, beta=0.7)),
}


class WeightedLoss(nn.Module):
    """A sum of losses.

    Args:
        weights: Weight of each loss, by its name in LOSSES.
        ship_weight: Weight of ship pixels in ``bce``.
    """

    def __init__(self, weights: Mapping[str, float], ship_weight: float = 1.0) -> None:
        super().__init__()
        self._losses = [(weight, LOSSES[name]()) for name, weight in weights.items()]
        self._ship_weight = ship_weight

    def forward(self, logits: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """The loss of a batch; 0 where all pixels are ignored.

        Args:
            logits: (crops, 1, rows, columns).
            mask: Same shape: BACKGROUND, SHIP or IGNORED.
            weight: Same shape: weights of pixels in ``bce``; None: 1.
        """
        known = (mask != IGNORED).float()
        ship = (mask == SHIP).float()
        weights = 1 + (self._ship_weight - 1) * ship
        if weight is not None:
            weights = weights * weight
        if not known.any():
            return logits.sum() * 0
        parts = [factor * loss(logits.float(), ship, known, weights) for factor, loss in self._losses]
        return torch.stack(parts).sum()
