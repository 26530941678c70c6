"""From reflectance to scores: a bundle's normalisation, network and temperature as one PyTorch module."""

from __future__ import annotations

import torch
from torch import nn

from geoships.model.bundle import Bundle
from geoships.model.card import ModelInput


class Normalised(nn.Module):
    """A network with the normalisation of its input and the temperature of its logits.

    Args:
        network: Maps normalised images (n, bands, rows, columns) to logits (n, classes, rows, columns).
        recipe: The input of the model card: pre-processing function, and mean and standard deviation of each band.
        temperature: The logits are divided by it, see `Card`.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, recipe: ModelInput, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
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
        """Logits of the first class divided by the temperature, float32 (n, rows, columns); of a classifier (n,)."""
        logits: torch.Tensor = self.network(self.normalise(images))
        return logits[:, 0].float() / self._temperature  # bfloat16 would round the quotient


class Scoring(nn.Module):
    """A bundle's complete model: normalisation, network, temperature and sigmoid.

    It maps reflectance (n, bands, rows, columns) to scores (n, rows, columns); a classifier's scores are (n,).
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.logits = Normalised(bundle.network(), bundle.card.input, bundle.card.temperature)
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores from 0 to 1."""
        logits: torch.Tensor = self.logits(images)
        return logits.sigmoid()
