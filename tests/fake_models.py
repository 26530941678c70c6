"""A fake engine and fake models, whose scores come from brightness instead of a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoships.model.bundle import Bundle
from geoships.model.card import Card

LEVEL = 0.08  # mean reflectance of a chip with the score 0.5 by FakeClassifier


class BrightnessEngine:
    """Scores are the first band's reflectance; batches of more than `limit` tiles run out of memory."""

    def __init__(self, batch_size: int = 4, limit: int | None = None) -> None:
        self.batch_size, self.streams, self.limit = batch_size, 1, limit
        self.batches: list[int] = []

    def prepare(self, shape: tuple[int, int, int]) -> None:
        pass

    def submit(self, images: np.ndarray) -> np.ndarray:
        if self.limit is not None and len(images) > self.limit:
            raise torch.OutOfMemoryError("the fake device is full")
        self.batches.append(len(images))
        return np.clip(images[:, 0], 0, 1)

    def collect(self, handle: np.ndarray) -> np.ndarray:
        return handle

    def release(self) -> None:
        pass


class Brightness(nn.Module):
    """Logit 0 where the first band is 0.5; exact, pixel by pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, :1] - 0.5) * 20


class FakeBundle(Bundle):
    """A bundle whose network is `Brightness`."""

    def network(self) -> nn.Module:
        return Brightness()


class MeanBrightness(nn.Module):
    """Logit 0 where the mean of a chip's first band is LEVEL."""

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        return (chips[:, :1].mean(dim=(2, 3)) - LEVEL) * 40


class FakeClassifier(Bundle):
    """A classifier of chips whose network is `MeanBrightness`."""

    def network(self) -> nn.Module:
        return MeanBrightness()


def fake_card(bands: Sequence[str] = ("red",), gsd: float = 10.0, halo: int = 8, **more: object) -> Card:
    return Card.model_validate(
        {
            "mlm:name": "fake",
            "license": "MIT",
            "mlm:architecture": "none",
            "mlm:total_parameters": 1,
            "mlm:input": [
                {
                    "bands": bands,
                    "input": {"shape": (-1, len(bands), -1, -1)},
                    "value_scaling": [{"mean": 0, "stddev": 1}] * len(bands),
                }
            ],
            "mlm:output": [{"classification:classes": [{"value": 1, "name": "ship"}]}],
            "gsd": gsd,
            "geoships:gsd_range": (gsd / 2, gsd * 2),
            "geoships:halo": halo,
            "geoships:network": {"decoder": "unet", "encoder": "none"},
            **more,
        }
    )


def fake_bundle(**card: object) -> FakeBundle:
    return FakeBundle(fake_card(**card), {}, Path("fake"))  # type: ignore[arg-type]


def fake_classifier(bands: Sequence[str] = ("red",), size: int = 32, mean: float = 0, **card: object) -> FakeClassifier:
    entry = {
        "bands": bands,
        "input": {"shape": (-1, len(bands), size, size)},
        "value_scaling": [{"mean": mean, "stddev": 1}] * len(bands),
    }
    more = {"mlm:name": "second look", "mlm:tasks": ["classification"], "mlm:input": [entry], **card}
    return FakeClassifier(fake_card(bands=bands, **more), {}, Path("fake/verifier"))  # type: ignore[arg-type]
