"""A sheet of training crops with their targets, to look at before a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geoships.config.segmentation import TrainConfig
from geoships.errors import OutputError
from geoships.output.classes import rgb_of
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.support.files import atomic_write
from geoships.support.overwrite import refuse_overwrites
from geoships.training.segmentation.crop_maker import CropMaker
from geoships.training.segmentation.data import open_data
from geoships.training.segmentation.validation_images import WHITE

COLUMNS = 6  # pairs of crop and target in a row of the sheet
GAP = 4  # pixels between pairs
RANGE = (-2.0, 3.0)  # normalised values that are shown from black to white
IGNORED_GREY, GAP_COLOUR = (110, 110, 110), (255, 60, 60)

RGBImage = NDArray[np.uint8]


def draw_crops(config: TrainConfig, path: Path, count: int = 36, *, overwrite: bool = False) -> None:
    """Draw the first crops of a training as the network sees them, each beside its target.

    Ships are white in a target, objects of several classes have their colours, ignored pixels are grey, and pixels
    between ships, which count more, red.

    Args:
        config: Settings of the training.
        path: Image file to write, such as a PNG.
        count: Number of crops.
        overwrite: Whether to replace an existing file.

    Raises:
        GeoshipsError: If data are missing, or the file exists or cannot be written.
    """
    refuse_overwrites([path], overwrite=overwrite)
    with TemporaryDirectory() as folder:
        data = open_data(config, Path(folder))
        batch = CropMaker(data.atlas, data.recipe, config).make(range(count))
    colours = [WHITE] if not config.data.classes else [rgb_of(target.colour) for target in config.data.classes]
    pairs = [
        np.concatenate((_image(image, config.data.bands), _target(mask, weight[0], colours)), axis=1)
        for image, mask, weight in zip(batch["image"], batch["mask"], batch["weight"], strict=True)
    ]
    sheet = _sheet(pairs)
    try:
        with atomic_write(path) as temporary:
            Image.fromarray(sheet).save(temporary)
    except ValueError as error:
        raise OutputError(f"cannot write {path}: {error}; name a file that ends in .png") from error


def _image(image: torch.Tensor, bands: tuple[str, ...]) -> RGBImage:
    """True colour where all its bands are there; else the first band that is there, in grey."""
    low, high = RANGE
    shown = [bands.index(name) for name in ("red", "green", "blue") if name in bands]
    there = [band for band in range(len(bands)) if bool(image[band].any())]
    if len(shown) < 3 or not set(shown) <= set(there):
        shown = [there[0] if there else 0] * 3
    values = ((image[shown] - low) / (high - low)).clamp(0, 1).permute(1, 2, 0)
    return np.asarray((values * 255).byte().numpy())


def _target(masks: torch.Tensor, weight: torch.Tensor, colours: Sequence[tuple[int, int, int]]) -> RGBImage:
    target = np.zeros((*weight.shape, 3), np.uint8)
    target[(weight > 1).numpy()] = GAP_COLOUR
    for mask, colour in zip(masks, colours, strict=True):
        target[(mask == SHIP).numpy()] = colour
    target[(masks == IGNORED).all(0).numpy()] = IGNORED_GREY
    return target


def _sheet(pairs: list[RGBImage]) -> RGBImage:
    height, width = pairs[0].shape[0] + GAP, pairs[0].shape[1] + GAP
    rows = -(-len(pairs) // COLUMNS)
    sheet = np.full((rows * height, min(COLUMNS, len(pairs)) * width, 3), 255, np.uint8)
    for number, pair in enumerate(pairs):
        row, column = number // COLUMNS * height, number % COLUMNS * width
        sheet[row : row + height - GAP, column : column + width - GAP] = pair
    return sheet
