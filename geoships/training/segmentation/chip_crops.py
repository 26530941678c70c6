"""Crops of a folder of chips with masks: the data of a training that does not see whole scenes.

Crop i of epoch e depends on the seed, e and i alone, as with crops of scenes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from torch.utils.data import DataLoader, Dataset

from geoships.config.segmentation import Data, TrainConfig
from geoships.errors import GeoshipsError
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.scene.reader import Reading, open_scene
from geoships.scene.tiling.resample import scale_of
from geoships.scene.tiling.windows import Window
from geoships.scene.torchgeo import SceneDataset
from geoships.training.augment.radiometry import Recipe, orient, vary
from geoships.training.labelled_scenes import below
from geoships.training.segmentation.crops import Crop, EpochSampler, Mask, at_size, hide_rim
from geoships.training.segmentation.data import measured_recipe

INDEX = "chips.csv"
STATISTICS_CHIPS = 200
IN_MEMORY = 1 << 30  # bytes; more chips than fit are read from their files each time


@dataclass(frozen=True)
class MaskedChip:
    """A chip of a folder. image, mask: files. scene: that it was cut from. ships: whether it shows a ship."""

    image: Path
    mask: Path
    scene: str
    ships: bool


def read_index(folder: Path) -> dict[str, list[MaskedChip]]:
    """Chips by part, of a folder that `geoships data split` wrote.

    Raises GeoshipsError where there is none, or columns are missing.
    """
    path = folder / INDEX
    parts: dict[str, list[MaskedChip]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                chip = MaskedChip(folder / row["file"], folder / row["mask"], row["scene"], int(row["ship_pixels"]) > 0)
                parts.setdefault(row["part"], []).append(chip)
    except OSError as error:
        raise GeoshipsError(
            f"data.chips: cannot read {path}: {error.strerror}; geoships data split writes such folders"
        ) from error
    except (KeyError, ValueError, TypeError) as error:
        raise GeoshipsError(f"data.chips: {path} is no list of chips of geoships data split: {error}") from error
    return parts


@dataclass(frozen=True)
class Picture:
    """What a chip shows. image: (bands, rows, columns) reflectance, NaN in absent bands. mask, valid: (rows, columns).

    scale: model pixels per chip pixel along (rows, columns).
    """

    image: NDArray[np.float32]
    mask: Mask
    valid: NDArray[np.bool_]
    scale: tuple[float, float]

    def crop(self, window: Window, size: int) -> tuple[NDArray[np.float32], Mask]:
        """A window of chip pixels as (size, size) model pixels; what is not known is IGNORED."""
        part = (slice(window.row, window.row_end), slice(window.column, window.column_end))
        return at_size(self.image[:, *part], self.mask[part], self.valid[part], size)


def read_chip(chip: MaskedChip, data: Data) -> Picture:
    """Read a chip and its mask. Raises GeoshipsError where they cannot be read, or do not fit each other."""
    assert data.chips
    reading = Reading(data.chips.bands, data.chips.scale, data.chips.offset, data.chips.sensor)
    with open_scene(str(chip.image), data.bands, reading, optional=data.optional) as scene:
        images = SceneDataset(scene)
        sample = images[images.grid.query(scene.window)]
        present = [band in scene.wanted for band in data.bands]
        across, down = scene.georeference.pixel_size() or (data.gsd, data.gsd)
        shape = scene.window.shape
    image = np.full((len(present), *shape), np.nan, np.float32)
    image[present] = sample["image"].numpy()
    try:
        with rasterio.open(chip.mask) as dataset:
            values = dataset.read(1)
    except RasterioError as error:
        raise GeoshipsError(f"cannot read the mask {chip.mask}: {error}") from error
    if values.shape != shape:
        raise GeoshipsError(f"the mask {chip.mask} has {values.shape} pixels and its chip {shape}")
    labelled = values > 0 if data.target.value is None else values == data.target.value
    mask = np.select([values == IGNORED, labelled], [IGNORED, SHIP], 0).astype(np.uint8)
    scale = (scale_of(down, data.gsd, data.gsd_range), scale_of(across, data.gsd, data.gsd_range))
    return Picture(image, mask, sample["valid"].numpy(), scale)


class Chips:
    """Chips of one part, read once where they fit into memory."""

    def __init__(self, chips: Sequence[MaskedChip], data: Data) -> None:
        self._chips, self._data = chips, data
        self._kept: dict[int, Picture] = {}
        self._free = IN_MEMORY

    def __len__(self) -> int:
        return len(self._chips)

    def __getitem__(self, number: int) -> Picture:
        """Read one chip."""
        if number not in self._kept:
            picture = read_chip(self._chips[number], self._data)
            self._free -= picture.image.nbytes + 2 * picture.mask.nbytes
            if self._free < 0:
                return picture
            self._kept[number] = picture
        return self._kept[number]


class ChipCrops(Dataset[Crop]):
    """Varied crops of chips, by (epoch, number): as `crops.Crops` has them.

    Each epoch deals out the chips with ships, and the others, in an order of its own; no chip comes twice before all
    of its kind have come. The share `crops.around_ship` of the crops is of chips with ships.
    """

    def __init__(self, chips: Chips, kinds: tuple[Sequence[int], Sequence[int]], recipe: Recipe, config: TrainConfig):
        self._chips, self._kinds, self._recipe, self._config = chips, kinds, recipe, config

    def __getitem__(self, key: tuple[int, int]) -> Crop:
        """Make one crop."""
        config, (epoch, number) = self._config, key
        rng = np.random.default_rng([config.seed, epoch, number])
        picture = self._chips[self._deal(epoch, number)]
        image, mask = picture.crop(_window(picture, config.crops.size, rng), config.crops.size)
        image = self._recipe.apply(vary(image, config.augment, self._recipe.bands, rng))
        image, mask = orient(image, hide_rim(mask, config.data.rim), config.augment, rng)
        return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask[None])}

    def _deal(self, epoch: int, number: int) -> int:
        """The chip of a crop."""
        share = self._config.crops.around_ship
        before = int(number * share)  # crops before this one that show ships
        with_ships = int((number + 1) * share) > before
        kind, place = (0, before) if with_ships else (1, number - before)
        if not self._kinds[kind]:
            kind, place = 1 - kind, number
        dealt = np.random.default_rng([self._config.seed, epoch]).permutation(self._kinds[kind])
        return int(dealt[place % len(dealt)])


class WholeChips(Dataset[Crop]):
    """Whole chips as they are, to judge a training with."""

    def __init__(self, chips: Chips, recipe: Recipe, rim: int) -> None:
        self._chips, self._recipe, self._rim = chips, recipe, rim

    def __len__(self) -> int:
        return len(self._chips)

    def __getitem__(self, number: int) -> Crop:
        """Read one chip; its sides become multiples of 32 model pixels."""
        picture = self._chips[number]
        whole = Window(0, 0, *picture.mask.shape)
        size = max(32, round(whole.height * picture.scale[0] / 32) * 32)
        image, mask = picture.crop(whole, size)
        return {
            "image": torch.from_numpy(self._recipe.apply(image)),
            "mask": torch.from_numpy(hide_rim(mask, self._rim)[None]),
        }


class ChipData(lightning.LightningDataModule):
    """Loaders of crops of chips, and of whole chips that judge the training.

    config: settings with `data.chips`. Raises GeoshipsError where there is nothing to train on.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        data = config.data
        assert data.chips
        parts = read_index(below(data.root, data.chips.folder))
        train = parts.get("train", [])
        ships, others = ([number for number, chip in enumerate(train) if chip.ships is kind] for kind in (True, False))
        if not ships:
            raise GeoshipsError(f"data.chips: no chip of the part train in {data.chips.folder} shows a ship")
        self.groups = sorted({chip.scene for chip in train})
        chips = Chips(train, data)
        _window(chips[0], config.crops.size, np.random.default_rng(0))
        rng = np.random.default_rng([config.seed, 2])
        some = ((chips[number].image, chips[number].valid) for number in rng.permutation(len(train))[:STATISTICS_CHIPS])
        self.recipe = measured_recipe(data.bands, config.input, some)
        self._crops = ChipCrops(chips, (ships, others), self.recipe, config)
        self._judges = WholeChips(Chips(parts.get("validation", []), data), self.recipe, data.rim)

    @property
    def validated(self) -> bool:
        """Whether there are validation data."""
        return len(self._judges) > 0

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
        """Load the chips that judge the training."""
        return DataLoader(self._judges, batch_size=4)


def _window(picture: Picture, size: int, rng: np.random.Generator) -> Window:
    """A window of `size` model pixels somewhere in a chip. Raises GeoshipsError for a chip that is smaller."""
    sides = tuple(round(size / scale) for scale in picture.scale)
    free = tuple(length - side for length, side in zip(picture.mask.shape, sides, strict=True))
    if min(free) < 0:
        raise GeoshipsError(
            f"data.chips: chips of {picture.mask.shape[0]} pixels are smaller than crops.size, {size} model pixels; "
            "cut larger chips, or take smaller crops"
        )
    row, column = (int(rng.integers(most + 1)) for most in free)
    return Window(row, column, *sides)
