"""Losses by name, and sums of them; ignored pixels count in none.

Each is a loss of one class. Of several classes it is the mean over them; with a softmax it gets the logit of each class
against all others and the background, whose sigmoid is the score of the class, and `bce` becomes the cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional

from geoships.model.activation import with_background
from geoships.model.card import Activation
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


def cross_entropy(logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of a softmax over the background and the classes; the mean over pixels that count, weighted.

    Args:
        logits: (crops, classes, rows, columns) float32.
        ship: Same shape: 1 in at most one class of a pixel, else 0.
        known: (crops, 1, rows, columns): 1 on pixels that count, else 0.
        weight: Same shape: weights of pixels.
    """
    target = (ship * torch.arange(1, ship.shape[1] + 1, device=ship.device)[:, None, None]).sum(1)
    each = functional.cross_entropy(with_background(logits), target.long(), reduction="none")[:, None]
    return (each * weight * known).sum() / known.sum().clamp(min=1)


def one_against_others(logits: torch.Tensor) -> torch.Tensor:
    """Logits (crops, classes, ...) of each class against all others and the background of a softmax, the same shape.

    >>> one_against_others(torch.zeros(1, 3, 1, 1)).sigmoid().flatten().tolist()
    [0.25, 0.25, 0.25]
    """
    every = with_background(logits)
    others = [torch.cat((every[:, :kind], every[:, kind + 1 :]), 1) for kind in range(1, every.shape[1])]
    return logits - torch.stack([rest.logsumexp(1) for rest in others], 1)


class WeightedLoss(nn.Module):
    """A sum of losses.

    Args:
        weights: Weight of each loss, by its name in LOSSES.
        ship_weight: Weight of ship pixels in ``bce``.
        activation: How logits of several classes become scores.
    """

    def __init__(
        self, weights: Mapping[str, float], ship_weight: float = 1.0, activation: Activation = "sigmoid"
    ) -> None:
        super().__init__()
        self._losses = [(name, weight, LOSSES[name]()) for name, weight in weights.items()]
        self._ship_weight, self._activation = ship_weight, activation

    def forward(self, logits: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """The loss of a batch; 0 where all pixels are ignored.

        Args:
            logits: (crops, classes, rows, columns).
            mask: Same shape: BACKGROUND, SHIP or IGNORED.
            weight: (crops, 1, rows, columns): weights of pixels in ``bce``; None: 1.
        """
        known = (mask != IGNORED).float()
        ship = (mask == SHIP).float()
        weights = 1 + (self._ship_weight - 1) * ship
        if weight is not None:
            weights = weights * weight
        if not known.any():
            return logits.sum() * 0
        if logits.shape[1] == 1:
            parts = [factor * loss(logits.float(), ship, known, weights) for _, factor, loss in self._losses]
        else:
            parts = list(self._of_classes(logits.float(), ship, known, weights))
        return torch.stack(parts).sum()

    def _of_classes(
        self, logits: torch.Tensor, ship: torch.Tensor, known: torch.Tensor, weights: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        """Each loss of several classes, multiplied by its weight."""
        softmax = self._activation == "softmax"
        apart = one_against_others(logits) if softmax else logits
        planes = [torch.split(part, 1, 1) for part in (apart, ship, known, weights)]
        for name, factor, loss in self._losses:
            if softmax and name == "bce":
                yield factor * cross_entropy(logits, ship, known.amin(1, keepdim=True), weights.amax(1, keepdim=True))
            else:
                yield factor * torch.stack([loss(*plane) for plane in zip(*planes, strict=True)]).mean()
