"""Validation data: blocks of scenes, or whole chips, none of which is trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

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

    An item holds ``image``, (bands, size, size) float32, normalised, and ``mask``, (1, size, size) uint8: BACKGROUND,
    SHIP, or IGNORED outside the block.

    Args:
        scene: The scene.
        blocks: Its blocks.
        recipe: Normalisation.
        block: Model pixels along a block's side.
        rim: Model pixels on both sides of an outline that are ignored.
    """

    def __init__(self, scene: LabelledScene, blocks: Blocks, recipe: Recipe, *, block: int, rim: int) -> None:
        self._scene, self._recipe, self._rim = scene, recipe, rim
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
        image, mask, valid = self._scene.sample(window)
        counted = np.zeros_like(valid)
        counted[inside.within(window)] = True
        image, mask = at_size(image, mask, valid & counted, self._size)
        mask = hide_rim(mask, self._rim)
        return {"image": torch.from_numpy(self._recipe.apply(image)), "mask": torch.from_numpy(mask[None])}


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
        mask = torch.where(counted, ship * SHIP, IGNORED).to(torch.uint8)
        return {"image": torch.from_numpy(self._recipe.apply(image)), "mask": mask}


def at_size(
    image: NDArray[np.float32], mask: Mask, valid: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.float32], Mask]:
    """Resample a window to (size, size); pixels without data become IGNORED."""
    mask = np.where(valid, mask, np.uint8(IGNORED))
    if mask.shape == (size, size):
        return image, mask
    shape = (size, size)
    shrunk = np.stack([resample(band, shape) for band in image])
    ship = resample((mask == SHIP).astype(np.float32), shape) > 0.5
    ignored = resample((mask == IGNORED).astype(np.float32), shape) > 0.5
    return shrunk, np.where(ship, np.uint8(SHIP), np.where(ignored, np.uint8(IGNORED), np.uint8(0)))
