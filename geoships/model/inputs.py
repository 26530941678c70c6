"""A scene's samples as a model wants them: north up, and with all of its bands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from geoships.model.card import Card
from geoships.scene.tiles import Sample


def prepared(samples: Iterable[Sample], card: Card, found: Sequence[str], *, south_up: bool) -> Iterator[Sample]:
    """Yield samples whose `image` is what the model of a card takes, (bands, rows, columns) of reflectance.

    A sample without an image stays as it is.
    found: the bands of the samples' images; bands of the model that are not among them have their neutral value.
    south_up: turn the rows, so that north is up.
    """
    for sample in samples:
        if "image" not in sample:
            yield sample
            continue
        if south_up:
            sample["image"] = sample["image"].flip(1)
        if tuple(found) != card.bands:
            sample["image"] = _completed(sample["image"], card, found)
        yield sample


def _completed(image: torch.Tensor, card: Card, found: Sequence[str]) -> torch.Tensor:
    common = [band for band in found if band in card.bands]
    whole = torch.tensor(card.input.neutral)[:, None, None].repeat(1, *image.shape[1:])
    whole[[card.bands.index(band) for band in common]] = image[[found.index(band) for band in common]]
    return whole
