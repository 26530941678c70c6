"""The data of a classifier's training: varied chips to train on, and plain ones that judge it.

Chip i of epoch e depends on the seed, e and i alone: not on workers, devices, or where a run was resumed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from geoships.config.classification import ChipAugment, ChipConfig
from geoships.config.training import EpochRun
from geoships.datasets.chip_files import BANDS
from geoships.errors import GeoshipsError
from geoships.training.augment.chips import vary_chip
from geoships.training.augment.radiometry import Recipe
from geoships.training.classification.folds import ChipSet, Numbers, split_chips
from geoships.training.epoch_sampler import EpochSampler

Item = dict[str, torch.Tensor]


class Items(Dataset[Item], ABC):
    """A dataset that knows how many items it has."""

    @abstractmethod
    def __len__(self) -> int:
        """How many."""


class VariedChips(Items):
    """Varied chips by (epoch, number): an epoch is all of them once, in an order of its own.

    An item holds `image`, (3, size, size) float32, normalised, and `label`, 0 or 1.
    """

    def __init__(self, chips: ChipSet, numbers: Numbers, recipe: Recipe, steps: ChipAugment, seed: int) -> None:
        self._chips, self._numbers, self._recipe, self._steps, self._seed = chips, numbers, recipe, steps, seed
        self._order: tuple[int, Numbers] = (-1, numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Make one chip."""
        epoch, number = key
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, 1, epoch]).permutation(self._numbers)
        chosen = self._order[1][number]
        rng = np.random.default_rng([self._seed, 2, epoch, number])
        image = vary_chip(self._chips.images[chosen], self._steps, rng)
        return chip_item(self._recipe.apply(image), self._chips.chips[chosen].label)


class PlainChips(Items):
    """Chips as they are, by their place in `numbers`; items are as those of VariedChips."""

    def __init__(self, chips: ChipSet, numbers: Numbers, recipe: Recipe) -> None:
        self._chips, self._numbers, self._recipe = chips, numbers, recipe

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: int) -> Item:
        """Read one chip."""
        chosen = self._numbers[place]
        return chip_item(self._recipe.apply(self._chips.images[chosen]), self._chips.chips[chosen].label)


class ClassifierData(lightning.LightningDataModule):
    """Loaders of chips to train on and of chips that judge; an item holds `image` and `label`.

    recipe: what the images have become. varied: chips by (epoch, number). plain: those that judge.
    counts: how much is trained on, for the card.
    """

    def __init__(self, recipe: Recipe, varied: Items, plain: Items, run: EpochRun, counts: dict[str, int]) -> None:
        super().__init__()
        self.recipe, self._varied, self._plain, self._run = recipe, varied, plain, run
        self.counts = {**counts, "validation_chips": len(plain)}

    @property
    def validated(self) -> bool:
        """Whether there are validation data."""
        return len(self._plain) > 0

    def train_dataloader(self) -> DataLoader[Item]:
        """Load the chips of an epoch."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = EpochSampler(len(self._varied), rank, world)
        return DataLoader(
            self._varied,
            batch_size=min(self._run.batch_size, len(sampler)),
            sampler=sampler,
            num_workers=self._run.workers,
            persistent_workers=self._run.workers > 0,
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Item]:
        """Load the chips that judge."""
        return DataLoader(self._plain, batch_size=64)


class ChipData(ClassifierData):
    """The data of a training on labelled chips.

    config: settings of the training. chips: all chips. Raises GeoshipsError where the split cannot be made.
    """

    def __init__(self, config: ChipConfig, chips: ChipSet) -> None:
        self.split = split_chips(chips, config.data)
        recipe = _recipe(config, chips, self.split.train)
        varied = VariedChips(chips, self.split.train, recipe, config.augment, config.seed)
        ships = sum(chips.chips[number].label for number in self.split.train)
        counts = {"chips": len(self.split.train), "chips_with_ship": ships}
        super().__init__(recipe, varied, PlainChips(chips, self.split.validation, recipe), config.run, counts)


def chip_item(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], label: int) -> Item:
    """An item of a normalised image (bands, size, size) and its label, 0 or 1."""
    return {"image": torch.from_numpy(image), "label": torch.tensor(label)}


def _recipe(config: ChipConfig, chips: ChipSet, numbers: Numbers) -> Recipe:
    """The recipe of the settings, or one measured on the chips that are trained on."""
    settings = config.input
    for name, values in (("mean", settings.mean), ("std", settings.std)):
        if values is not None and len(values) != len(BANDS):
            raise GeoshipsError(f"wrong setting: input.{name} has {len(values)} values for {len(BANDS)} bands")
    plain = Recipe(BANDS, settings.transform, (0.0,) * len(BANDS), (1.0,) * len(BANDS))
    pixels = np.stack([plain.apply(chips.images[number]) for number in numbers]).astype(np.float64)
    mean, std = pixels.mean(axis=(0, 2, 3)), np.maximum(pixels.std(axis=(0, 2, 3)), 1e-4)
    return Recipe(
        BANDS,
        settings.transform,
        settings.mean or tuple(round(float(value), 4) for value in mean),
        settings.std or tuple(round(float(value), 4) for value in std),
    )
