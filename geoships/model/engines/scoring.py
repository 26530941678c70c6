"""From reflectance to scores: a bundle's normalisation, network, temperature and activation as PyTorch modules."""

from __future__ import annotations

import torch
from torch import nn

from geoships.model.activation import class_scores
from geoships.model.bundle import Bundle
from geoships.model.card import Activation, Card, ModelInput


class Normalised(nn.Module):
    """A network with the normalisation of its input and the temperature of its logits.

    Args:
        network: Maps normalised images (n, bands, rows, columns) to logits (n, classes, rows, columns).
        recipe: The input of the model card: pre-processing function, and mean and standard deviation of each band.
        temperature: The logits are divided by it, see `Card`.
        several: Whether the logits of all classes are given, and not only those of the first.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: nn.Module, recipe: ModelInput, temperature: float = 1.0, *, several: bool = False
    ) -> None:
        super().__init__()
        self.network, self._several = network, several
        self._temperature = temperature
        self._root = recipe.pre_processing_function.expression == "sqrt"
        self.register_buffer("mean", torch.tensor([band.mean for band in recipe.value_scaling])[:, None, None])
        self.register_buffer("std", torch.tensor([band.stddev for band in recipe.value_scaling])[:, None, None])

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """The network's input for reflectance (n, bands, rows, columns)."""
        if self._root:
            images = images.clamp(0, 1).sqrt_()
        return (images - self.mean).div_(self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits divided by the temperature, float32.

        Those of one class are (n, rows, columns), of a classifier (n,), of several classes (n, classes, rows, columns).
        """
        logits: torch.Tensor = self.network(self.normalise(images))
        return (
            logits if self._several else logits[:, 0]
        ).float() / self._temperature  # bfloat16 would round the quotient


class Scoring(nn.Module):
    """A bundle's complete model: normalisation, network, temperature and activation.

    It maps reflectance (n, bands, rows, columns) to scores (n, rows, columns); a classifier's scores are (n,), and
    those of several classes are (n, classes, rows, columns).
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        card = bundle.card
        self.logits = Normalised(bundle.network(), card.input, card.temperature, several=card.several)
        self._activation = activation_of(card)
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores from 0 to 1."""
        return class_scores(self.logits(images), self._activation)


def activation_of(card: Card) -> Activation:
    """How logits become scores; those of one class, whose axis `Normalised` drops, by the sigmoid."""
    return card.activation if card.several else "sigmoid"
