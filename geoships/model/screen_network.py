"""The network of a screen, see `geoships.model.screen`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SURROUNDINGS = 15  # cells a side, with which a cell is compared


class ScreenNetwork(nn.Module):
    """Early stages of an encoder with a linear head.

    Args:
        encoder: Maps normalised images to a list of feature maps, the last of which is used.
        channels: Number of channels of that feature map.
    """

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Conv2d(2 * channels, 1, 1)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features (n, 2 * channels, rows, columns) of normalised images: feature maps, and their local contrast."""
        maps = self.encoder(images)[-1]
        mean = maps
        for size, pad in (((1, SURROUNDINGS), (0, SURROUNDINGS // 2)), ((SURROUNDINGS, 1), (SURROUNDINGS // 2, 0))):
            mean = functional.avg_pool2d(mean, size, 1, pad, count_include_pad=False)
        return torch.cat([maps, maps - mean], 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, 1, rows, columns), one per cell."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits
