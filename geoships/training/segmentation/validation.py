"""Validation data: blocks of scenes, or whole chips, none of which is trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from geoships.config.segmentation import Data
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window
from geoships.training.augment.radiometry import Recipe
from geoships.training.labelled_scenes import LabelledScene
from geoships.training.pixel_table import rotation
from geoships.training.segmentation.atlas import Atlas
from geoships.training.segmentation.crop_maker import cut
from geoships.training.segmentation.target_planes import hide_rim
from geoships.training.segmentation.validation_blocks import Blocks

CONTEXT = 32  # model pixels around a validation block that the network sees and the figures leave out
STEP = 32  # model pixels that sides of validation images are multiples of

Item = dict[str, torch.Tensor]
Mask = NDArray[np.uint8]


class ValidationBlocks(Dataset[Item]):
    """The chosen blocks of one scene, with context.

    An item holds ``image``, (bands, size, size) float32, normalised, and ``mask``, (classes, size, size) uint8:
    BACKGROUND, SHIP, or IGNORED outside the block.

    Args:
        scene: The scene.
        blocks: Its blocks.
        recipe: Normalisation.
        data: Settings of the data: the side of a block, the rim of outlines that is ignored, and the classes.
    """

    def __init__(self, scene: LabelledScene, blocks: Blocks, recipe: Recipe, data: Data) -> None:
        self._scene, self._recipe, self._data = scene, recipe, data
        block = data.validation.block
        self._size = -(-(block + 2 * CONTEXT) // STEP) * STEP
        around = (self._size - block) / 2
        rows, columns = (round(around / scale) for scale in scene.scale)
        self._windows = [
            (
                inside,
                Window(whole.row - rows, whole.column - columns, whole.height + 2 * rows, whole.width + 2 * columns),
            )
            for place, inside in zip(sorted(blocks.chosen), blocks.windows(), strict=True)
            for whole in [blocks.whole(*place)]
        ]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> Item:
        """Read one block."""
        inside, window = self._windows[number]
        image, valid = self._scene.picture(window)
        masks = self._scene.labels.masks(window, len(self._data.targets), exclusive=self._data.exclusive)
        counted = np.zeros_like(valid)
        counted[inside.within(window)] = True
        image, masks = at_size(image, masks, valid & counted, self._size)
        masks = np.stack([hide_rim(mask, self._data.rim) for mask in masks])
        return {"image": torch.from_numpy(self._recipe.apply(image)), "mask": torch.from_numpy(masks)}


class ValidationChips(Dataset[Item]):
    """Whole chips; items are as those of ValidationBlocks.

    Args:
        atlas: The chips.
        recipe: Normalisation.
    """

    def __init__(self, atlas: Atlas, recipe: Recipe) -> None:
        self._atlas, self._recipe = atlas, recipe
        longest = max(max(scene.shape) for scene in atlas.scenes)
        self._size = -(-longest // STEP) * STEP

    def __len__(self) -> int:
        return len(self._atlas.scenes)

    def __getitem__(self, number: int) -> Item:
        """Read one chip; what lies beside it is ignored."""
        scene = self._atlas.scenes[number]
        rows, columns = scene.shape
        transform = rotation(((rows - 1) / 2, (columns - 1) / 2), 0, 1, False)
        images, ship, counted, _ = cut(self._atlas, [number], [transform], self._size)
        image = images[0].numpy()
        image[~np.array(scene.present)] = np.nan
        mask = torch.where(counted[:, None], ship * SHIP, IGNORED).to(torch.uint8)
        return {"image": torch.from_numpy(self._recipe.apply(image)), "mask": mask[0]}


def at_size(
    image: NDArray[np.float32], masks: Mask, valid: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.float32], Mask]:
    """Resample a window and its masks (classes, rows, columns) to (size, size); pixels without data become IGNORED."""
    masks = np.where(valid, masks, np.uint8(IGNORED))
    if valid.shape == (size, size):
        return image, masks
    shape = (size, size)
    shrunk = np.stack([resample(band, shape) for band in image])
    return shrunk, np.stack([_mask_at_size(mask, shape) for mask in masks])


def _mask_at_size(mask: Mask, shape: tuple[int, int]) -> Mask:
    ship = resample((mask == SHIP).astype(np.float32), shape) > 0.5
    ignored = resample((mask == IGNORED).astype(np.float32), shape) > 0.5
    return np.where(ship, np.uint8(SHIP), np.where(ignored, np.uint8(IGNORED), np.uint8(0)))
