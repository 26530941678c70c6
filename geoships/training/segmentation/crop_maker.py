"""Makes crops of an atlas: one gather for a batch, then pasted piers and ships, then another sensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.config.segmentation import TrainConfig
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.training.augment.canvas import make_canvas
from geoships.training.augment.paste_piers import paste_pier
from geoships.training.augment.paste_ships import paste_ships
from geoships.training.augment.radiometry import Recipe
from geoships.training.augment.sensor import apply_changes
from geoships.training.segmentation.atlas import Atlas
from geoships.training.segmentation.crop_plan import CropPlan, Planner

Batch = dict[str, torch.Tensor]


class CropMaker:
    """Makes crops by number, on the device that the atlas is on.

    Args:
        atlas: The scenes.
        recipe: Normalisation.
        config: Settings of the training.
    """

    def __init__(self, atlas: Atlas, recipe: Recipe, config: TrainConfig) -> None:
        self.atlas, self.recipe = atlas, recipe
        self._size = config.crops.size
        self._planner = Planner(atlas, config)
        # A crop stays in a core's cache; a batch of them does not, and a GPU wants them all at once.
        self._together = 1 if atlas.table.pixels.device.type == "cpu" else 1 << 30

    def make(self, numbers: Sequence[int]) -> Batch:
        """Make a batch.

        Args:
            numbers: Numbers of the crops.

        Returns:
            ``image``, (crops, bands, rows, columns) float32, normalised, 0 in absent bands; ``mask``, (crops, classes,
            rows, columns) uint8: BACKGROUND, SHIP or IGNORED; ``weight``, (crops, 1, rows, columns) float32.
        """
        plans = [self._planner.plan(number) for number in numbers]
        groups = [plans[start : start + self._together] for start in range(0, len(plans), self._together)]
        made = [self._make(group) for group in groups]
        batch = {name: torch.cat([part[name] for part in made]) for name in made[0]}
        batch["image"] = batch["image"].contiguous(memory_format=torch.channels_last)
        return batch

    def _make(self, plans: Sequence[CropPlan]) -> Batch:
        images, ship, counted, weight = self._cut(plans)
        for place, plan in enumerate(plans):
            if not plan.pier and not plan.ships:
                continue
            present = self.atlas.scenes[plan.scene].present
            canvas = make_canvas(images[place], ship[place], self.atlas.bands, present)
            if canvas is None:
                continue
            if plan.pier:
                paste_pier(canvas, plan.pier)
            paste_ships(canvas, plan.ships, self.atlas.cutouts)
        mask = torch.where(counted[:, None], ship * SHIP, IGNORED).to(torch.uint8)
        images = apply_changes(images, [plan.change for plan in plans], self.recipe)
        return {"image": images, "mask": mask, "weight": weight[:, None]}

    def _cut(self, plans: Sequence[CropPlan]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reflectance, ships, pixels that count, and weights of pixels."""
        return cut(self.atlas, [plan.scene for plan in plans], [plan.transform for plan in plans], self._size)


def cut(
    atlas: Atlas, scenes: Sequence[int], transforms: Sequence[NDArray[np.float64]], size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut squares out of an atlas.

    Args:
        atlas: The scenes.
        scenes: Number of the scene of each square.
        transforms: (2, 3) for each: where it lies; see `PixelTable.sample`.
        size: Pixels along a side.

    Returns:
        Reflectance, (squares, bands, size, size) float32; ships of each class, (squares, classes, size, size) bool;
        pixels that count, (squares, size, size) bool; weights of pixels, (squares, size, size) float32.
    """
    values, inside = atlas.table.sample(scenes, np.stack(transforms), (size, size))
    bands = len(atlas.bands)
    counted, weight = values[:, -2:].unbind(1)
    return values[:, :bands], values[:, bands:-2] > 0.5, (counted > 0.99) & inside, weight.clamp(min=1)
