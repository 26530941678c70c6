"""The data of a training run: crops to train on, and blocks that judge it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import lightning
import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from geoships.config.augment import Augment
from geoships.config.segmentation import Input, TrainConfig, Validation
from geoships.errors import GeoshipsError
from geoships.scene.torchgeo import WindowSlice
from geoships.training.augment.paste_ships import Donors
from geoships.training.augment.radiometry import Recipe
from geoships.training.labelled_scenes import LabelDataset, LabelledScene, named_polygons, open_scenes
from geoships.training.segmentation.crops import Crop, Crops, EpochSampler, at_size, crop_source, hide_rim
from geoships.training.segmentation.validation_blocks import (
    Blocks,
    BlockSampler,
    all_blocks,
    choose_blocks,
    without_blocks,
)

CONTEXT = 32  # model pixels around a validation block that are seen and not judged
STATISTICS_CROPS = 200


@dataclass(frozen=True)
class Split:
    """The two sides of a split.

    train: scenes with the labels that may be trained on. validation: scenes, and the blocks of them that judge.
    """

    train: Sequence[LabelledScene]
    validation: Sequence[tuple[LabelledScene, Blocks]]


def split_scenes(scenes: Sequence[LabelledScene], settings: Validation, seed: int) -> Split:
    """Split by groups where the settings name some, else by blocks of each scene."""
    if settings.groups:
        train = [scene for scene in scenes if scene.group not in settings.groups]
        judges = [scene for scene in scenes if scene.group in settings.groups]
        return Split(train, [(scene, all_blocks(scene.scene.window, _block(scene, settings))) for scene in judges])
    rng = np.random.default_rng([seed, 1])
    chosen = [
        choose_blocks(
            scene.scene.window,
            scene.labels,
            size=_block(scene, settings),
            share=settings.share,
            margin=round(settings.margin / max(scene.scale)),
            rng=rng,
        )
        for scene in scenes
    ]
    train = [_relabelled(scene, blocks) for scene, blocks in zip(scenes, chosen, strict=True)]
    return Split(train, [(scene, blocks) for scene, blocks in zip(scenes, chosen, strict=True) if blocks.chosen])


def _block(scene: LabelledScene, settings: Validation) -> tuple[int, int]:
    """(rows, columns) of a validation block in scene pixels."""
    rows, columns = (max(1, round(settings.block / scale)) for scale in scene.scale)
    return rows, columns


def _relabelled(scene: LabelledScene, blocks: Blocks) -> LabelledScene:
    labels = without_blocks(scene.labels, blocks)
    return replace(scene, labels=labels, dataset=scene.images & LabelDataset(scene.images, labels))


class ValidationBlocks(Dataset[Crop]):
    """The chosen blocks of one scene, with context; what is not to be judged is IGNORED."""

    def __init__(self, scene: LabelledScene, blocks: Blocks, recipe: Recipe, *, block: int, rim: int) -> None:
        self._scene, self._recipe, self._rim = scene, recipe, rim
        self._size = -(-(block + 2 * CONTEXT) // 32) * 32  # model pixels, the same for all scenes
        around = (self._size - block) / 2
        context = (round(around / scene.scale[0]), round(around / scene.scale[1]))
        self._queries = list(BlockSampler(scene.dataset, scene.images, blocks, context=context))
        self._windows = list(blocks.windows())

    def __len__(self) -> int:
        return len(self._queries)

    def __getitem__(self, number: int) -> Crop:
        """Read one block."""
        query: WindowSlice = self._queries[number]
        image, mask, valid = self._scene.sample(query.window)
        judged = np.zeros_like(valid)
        judged[self._windows[number].within(query.window)] = True
        image, mask = at_size(image, mask, valid & judged, self._size)
        mask = hide_rim(mask, self._rim)
        return {"image": torch.from_numpy(self._recipe.apply(image)), "mask": torch.from_numpy(mask[None])}


class ShipData(lightning.LightningDataModule):
    """Loaders of crops and of validation blocks.

    config: settings of the training. Raises GeoshipsError where nothing is left to train on.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        self.scenes = open_scenes(config.data)
        split = split_scenes(self.scenes, config.data.validation, config.seed)
        if not any(scene.labels.ships for scene in split.train):
            raise GeoshipsError(
                "no labelled ship is left to train on; check the labels, data.hold_out and data.validation"
            )
        self.train_scenes, self._validation = split.train, split.validation
        self.recipe = _recipe(config, split.train)
        hard = {scene.name: _hard_examples(scene, config) for scene in split.train}
        self._crops = Crops(
            [crop_source(scene, config.crops, config.augment, hard[scene.name]) for scene in split.train],
            Donors(split.train, config.data.bands),
            self.recipe,
            config.augment,
            size=config.crops.size,
            rim=config.data.rim,
            seed=config.seed,
        )

    @property
    def groups(self) -> list[str]:
        """The groups that are trained on."""
        return sorted({scene.group for scene in self.train_scenes})

    @property
    def validated(self) -> bool:
        """Whether there are validation data."""
        return bool(self._validation)

    def train_dataloader(self) -> DataLoader[Crop]:
        """Load the crops of an epoch."""
        trainer, run = self.trainer, self._config.run
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        return DataLoader(
            self._crops,
            batch_size=run.batch_size,
            sampler=EpochSampler(self._config.crops.count, rank, world),
            num_workers=run.workers,
            persistent_workers=run.workers > 0,
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Crop]:
        """Load the validation blocks."""
        data = self._config.data
        parts = [
            ValidationBlocks(scene, blocks, self.recipe, block=data.validation.block, rim=data.rim)
            for scene, blocks in self._validation
        ]
        return DataLoader(ConcatDataset(parts), batch_size=4)


def _recipe(config: TrainConfig, scenes: Sequence[LabelledScene]) -> Recipe:
    """The recipe of the settings, or one measured on unvaried crops."""
    sources = [crop_source(scene, config.crops, Augment(scale=None)) for scene in scenes]
    rng = np.random.default_rng([config.seed, 2])
    drawn = (sources[number % len(sources)] for number in range(STATISTICS_CROPS))
    pictures = (source.scene.picture(source.sampler.draw(rng).window) for source in drawn)
    return measured_recipe(config.data.bands, config.input, pictures)


def measured_recipe(
    bands: tuple[str, ...], settings: Input, pictures: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]]
) -> Recipe:
    """The recipe of the settings; what they leave out is measured on pictures.

    pictures: (bands, rows, columns) reflectance, NaN in bands that are absent, and (rows, columns) validity.

    Raises GeoshipsError where a band has no data in any of them.
    """
    if settings.mean and settings.std:
        return Recipe(bands, settings.transform, settings.mean, settings.std)
    plain = Recipe(bands, settings.transform, (0.0,) * len(bands), (1.0,) * len(bands))
    total, squares, counts = (np.zeros(len(bands)) for _ in range(3))
    for image, valid in pictures:
        for band in np.flatnonzero(np.isfinite(image[:, 0, 0])):
            values = plain.apply(image[band : band + 1])[0][valid].astype(np.float64)
            total[band] += values.sum()
            squares[band] += (values**2).sum()
            counts[band] += values.size
    if not counts.all():
        absent = [band for band, count in zip(bands, counts, strict=True) if not count]
        raise GeoshipsError(f"no scene has data in {', '.join(absent)}; leave these out of data.bands")
    mean = total / counts
    std = np.sqrt(np.maximum(squares / counts - mean**2, 1e-8))
    return Recipe(
        bands,
        settings.transform,
        settings.mean or tuple(round(float(value), 4) for value in mean),
        settings.std or tuple(round(float(value), 4) for value in std),
    )


def _hard_examples(scene: LabelledScene, config: TrainConfig) -> list[shapely.Geometry]:
    """Places of a scene that look like ships and are none; those in ignored parts are left out.

    Of a file that `geoships evaluate --ships` wrote, the false alarms alone.
    """
    where = config.crops.hard_examples
    hidden = shapely.union_all(list(scene.labels.ignored))
    polygons = named_polygons(where, scene, "the hard examples", only=("outcome", "false")) or []
    return [polygon for polygon in polygons if not shapely.intersects(hidden, polygon)]
