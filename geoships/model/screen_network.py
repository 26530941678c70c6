"""The network of a screen, see `geoships.model.screen`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.card import Network

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


class ScreenBundle(Bundle):
    """The screen of a bundle as a separate model, which every engine can run; it scores cells of several pixels."""

    def network(self) -> ScreenNetwork:
        """The network in evaluation mode, float32. Raises BundleError if the weights do not fit."""
        from geoships.model.networks import Architecture, build_encoder

        card = self.card
        architecture = Architecture(card.network.decoder, card.network.encoder, len(card.bands))
        encoder = build_encoder(architecture, card.network.options["depth"])
        network = ScreenNetwork(encoder, encoder.out_channels[-1])  # type: ignore[index, arg-type]
        state = network.state_dict()  # an encoder of few stages may have fewer weights than the complete one
        state.update({name: value for name, value in self.float_weights().items() if name in state})
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise BundleError(f"{self.path}: the screen does not fit the model: {error}") from error
        return network.eval()


def build_screen(bundle: Bundle, depth: int, head: Mapping[str, torch.Tensor]) -> Bundle:
    """Build a screen from a bundle's encoder.

    Args:
        bundle: The model.
        depth: Number of encoder stages to use, each of which halves the resolution.
        head: ``weight`` and ``bias`` of the linear head; empty: random.
    """
    card = bundle.card
    own = card.model_copy(update={
        "name": f"screen of {card.name}", "verify": False, "temperature": 1.0, "screen": None,
        "network": Network(decoder="screen", encoder=card.network.encoder, options={"depth": depth}),
    })  # fmt: skip
    encoder = {name: value for name, value in bundle.weights.items() if name.startswith("encoder.")}
    return ScreenBundle(own, {**encoder, **{f"head.{name}": value for name, value in head.items()}}, bundle.path)
