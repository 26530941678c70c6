"""The halo of a trained network, on scenes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from geoships.config import PredictConfig
from geoships.model.bundle import Bundle
from geoships.model.card import Card
from geoships.model.engines.scoring import Normalised
from geoships.training.segmentation.halo import GREATEST, measure_halo
from geoships.workflows.entry_files import EntryFiles
from geoships.workflows.quantize import sample_images

CUT = 64  # model pixels
IMAGES = 8


def measured_halo(bundle: Bundle, files: EntryFiles) -> int:
    """Context in model pixels that the scores of a model need, measured on one image of each of some scenes.

    Args:
        bundle: A segmentation model.
        files: Scenes; IMAGES of them, evenly distributed, are used.
    """
    step = max(1, -(-len(files.scenes) // IMAGES))
    scenes = files.scenes[::step]
    size = 2 * (CUT + GREATEST) + CUT
    config = files.config(PredictConfig(device="cpu"))
    images = sample_images(bundle, scenes, len(scenes), config, size)
    network = bundle.network()
    prepared = _prepared(Normalised(network, bundle.card.input).eval(), images, size)
    return measure_halo(network, prepared, CUT, network_threshold(bundle.card))


def network_threshold(card: Card) -> float:
    """The card's threshold as a score of the network itself, before its temperature."""
    return float(expit(logit(card.threshold) * card.temperature))


def _prepared(recipe: Normalised, images: list[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Yield images normalised, (bands, size, size); smaller ones are mirrored at their edges."""
    for image in images:
        normalised = recipe.normalise(torch.from_numpy(image))[0].numpy()
        missing = [(0, max(0, size - side)) for side in normalised.shape[1:]]
        yield np.pad(normalised, [(0, 0), *missing], mode="reflect")[:, :size, :size]
