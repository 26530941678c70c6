"""A small network like a U-Net, to test the conversion by engines."""

from __future__ import annotations

from pathlib import Path

import torch
from fake_models import FakeBundle, fake_card

CARD = {
    "mlm:input": [
        {
            "bands": ["red", "nir"],
            "input": {"shape": (-1, 2, -1, -1)},
            "value_scaling": [{"mean": 0.2, "stddev": 0.1}, {"mean": 0.4, "stddev": 0.2}],
            "pre_processing_function": {"expression": "sqrt"},
        }
    ],
    "geoships:temperature": 1.7,
    "geoships:step": 4,
}


class Tiny(torch.nn.Module):
    """Downsamples and upsamples its input, as a U-Net does; its output depends on the image's orientation."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.down = torch.nn.Conv2d(2, 6, 3, stride=2, padding=1)
            self.head = torch.nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        small = torch.relu(self.down(images))
        large = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="nearest")
        return self.head(torch.cat([large, images], 1))


class TinyBundle(FakeBundle):
    def network(self) -> torch.nn.Module:
        return Tiny(len(self.card.classes)).eval()


def tiny_bundle(**card: object) -> TinyBundle:
    return TinyBundle(fake_card(**{**CARD, **card}), {}, Path("tiny"))
