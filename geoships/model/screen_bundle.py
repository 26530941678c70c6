"""The screen of a bundle as a model of its own, see `geoships.model.screen`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from geoships.errors import BundleError
from geoships.model.bundle import Bundle, Screen
from geoships.model.card import Network
from geoships.model.weights import RawWeights, raw_tensor

if TYPE_CHECKING:
    import torch

    from geoships.model.screen_network import ScreenNetwork


class ScreenBundle(Bundle):
    """The screen of a bundle as a separate model, which every engine can run; it scores cells of several pixels."""

    def network(self) -> ScreenNetwork:
        """The network in evaluation mode, float32. Raises BundleError if the weights do not fit."""
        from geoships.model.networks import Architecture, build_encoder
        from geoships.model.screen_network import ScreenNetwork

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


def build_screen(bundle: Bundle, depth: int, screen: Screen) -> ScreenBundle:
    """Build a screen from a bundle's encoder.

    Args:
        bundle: The model.
        depth: Number of encoder stages to use, each of which halves the resolution.
        screen: Its head, and its graph if it has one; a head without weights is random.
    """
    card = bundle.card
    own = card.model_copy(update={
        "name": f"screen of {card.name}", "verify": False, "temperature": 1.0, "screen": None,
        "network": Network(decoder="screen", encoder=card.network.encoder, options={"depth": depth}),
    })  # fmt: skip
    return ScreenBundle(own, _joined(bundle.weights, screen.weights), bundle.path, graph=screen.graph)


def _joined(model: Mapping[str, torch.Tensor], head: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The weights of a model's encoder, and those of a head."""
    encoder = {name: raw_tensor(model, name) for name in model if name.startswith("encoder.")}
    return RawWeights({**encoder, **{f"head.{name}": raw_tensor(head, name) for name in head}})
