"""Splits of chips: groups stay whole, and each part has about the same share of ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from geoships.config.classification import ChipFiles
from geoships.datasets.chip_files import Chip, find_chips, read_chip
from geoships.errors import GeoshipsError
from geoships.training.classification.duplicates import group_chips

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class ChipSet:
    """Chips with their pixels, (3, size, size) from 0 to 1, and the number of the group that each belongs to."""

    chips: Sequence[Chip]
    images: Sequence[NDArray[np.float32]]
    groups: Numbers
    root: Path

    @property
    def labels(self) -> Numbers:
        """1 for chips with a ship, else 0."""
        return np.array([chip.label for chip in self.chips], np.intp)

    def name(self, number: int) -> str:
        """A chip's path, from the root where it lies below it."""
        path = self.chips[number].path
        return (path.relative_to(self.root) if path.is_relative_to(self.root) else path).as_posix()


@dataclass(frozen=True)
class ChipSplit:
    """Numbers of the chips that are trained on, that judge the training, and that are left out."""

    train: Numbers
    validation: Numbers
    held: Numbers


def open_chips(data: ChipFiles) -> ChipSet:
    """Read all chips and find their groups. Raises GeoshipsError."""
    chips = find_chips(data)
    images = [read_chip(chip.path, data.size) for chip in chips]
    groups = group_chips(images, [chip.scene for chip in chips], data.similarity)
    return ChipSet(chips, images, groups, data.root)


def split_chips(chips: ChipSet, data: ChipFiles) -> ChipSplit:
    """Leave out the fold of the settings, then take the validation's share of the rest.

    Raises GeoshipsError where there are too few chips or groups of a class.
    """
    rest, held = np.arange(len(chips.chips)), np.array([], np.intp)
    if data.hold_out:
        number, count = data.hold_out.fold, data.hold_out.folds
        if number > count:
            raise GeoshipsError(f"data.hold_out: there is no fold {number} of {count}")
        held = make_folds(chips.labels, chips.groups, count, data.split_seed)[number - 1]
        rest = np.setdiff1d(rest, held)
    if not data.validation:
        return ChipSplit(rest, np.array([], np.intp), held)
    parts = make_folds(chips.labels[rest], chips.groups[rest], round(1 / data.validation), data.split_seed)
    validation = rest[parts[0]]
    return ChipSplit(np.setdiff1d(rest, validation), validation, held)


def make_folds(labels: Numbers, groups: Numbers, count: int, seed: int) -> list[Numbers]:
    """Numbers of the chips of each fold: a group is in one fold, and both classes are in each.

    Raises GeoshipsError where that cannot be.
    """
    groups_of_class = min(len(np.unique(groups[labels == label])) for label in (0, 1))
    if groups_of_class < count:
        raise GeoshipsError(
            f"{count} folds need as many groups of near-duplicates in each class; one class has {groups_of_class}"
        )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [np.asarray(held, np.intp) for _, held in splitter.split(labels, labels, groups)]
