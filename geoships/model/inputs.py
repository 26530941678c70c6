"""Model input from a scene's samples: north up, and with all bands of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoships.model.card import Card
from geoships.scene.tiles import Sample


def prepare_samples(samples: Iterable[Sample], card: Card, bands: Sequence[str], *, south_up: bool) -> Iterator[Sample]:
    """Turn the images of samples into what a model expects.

    Args:
        samples: Samples of a scene; those without an ``image`` are passed on unchanged.
        card: The model's card.
        bands: Common names of the bands of the samples' images.
        south_up: Whether the scene's first row is its southernmost, so that the rows are flipped.

    Yields:
        The samples, with ``image`` as (bands, rows, columns) of reflectance, north up, in the model's order of bands.
        Bands that the scene lacks have their neutral value, see `ModelInput.neutral`.
    """
    for sample in samples:
        if "image" not in sample:
            yield sample
            continue
        if south_up:
            sample["image"] = sample["image"][:, ::-1].copy()
        if tuple(bands) != card.bands:
            sample["image"] = _with_all_bands(sample["image"], card, bands)
        yield sample


def _with_all_bands(image: NDArray[Any], card: Card, bands: Sequence[str]) -> NDArray[np.float32]:
    common = [band for band in bands if band in card.bands]
    neutral = np.asarray(card.input.neutral, np.float32)[:, None, None]
    complete = np.repeat(np.repeat(neutral, image.shape[1], 1), image.shape[2], 2)
    complete[[card.bands.index(band) for band in common]] = image[[bands.index(band) for band in common]]
    return complete
