"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """The average of a network's weights and of its buffers, such as the statistics of batch normalisation.

    Args:
        network: The network.
        decay: Decay per step; young averages forget faster, so that the first weights do not stay. 0: no average.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self._kept = {name: value.clone() for name, value in network.state_dict().items()} if decay else {}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after so many steps."""
        if not self._kept:
            return
        decay = min(self._decay, (1 + steps) / (10 + steps))
        now = self._network.state_dict()
        floating = [name for name, value in now.items() if value.dtype.is_floating_point]
        torch._foreach_lerp_([self._kept[name] for name in floating], [now[name] for name in floating], 1 - decay)
        for name in now.keys() - set(floating):
            self._kept[name].copy_(now[name])

    def weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights by name; the network's own where there is no average. They are not copied."""
        return self._kept or self._network.state_dict()

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Go on from saved weights."""
        for name, value in weights.items():
            if name in self._kept:
                self._kept[name].copy_(value)
