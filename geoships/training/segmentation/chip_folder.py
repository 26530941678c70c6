"""Chips of `geoships data split` as small scenes."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from geoships.config.segmentation import Data
from geoships.errors import GeoshipsError
from geoships.scene.layers.labels import read_labels
from geoships.scene.reader import Reading, open_scene
from geoships.training.labelled_scenes import label_classes, only_label
from geoships.training.segmentation.atlas import Source

INDEX = "chips.csv"


@dataclass(frozen=True)
class MaskedChip:
    """A chip of a folder.

    Attributes:
        image: Its raster.
        mask: Its labels: a raster on the same grid.
        scene: Name of the scene that it was cut from.
        ships: Whether it shows a ship.
    """

    image: Path
    mask: Path
    scene: str
    ships: bool


def read_index(folder: Path) -> dict[str, list[MaskedChip]]:
    """Chips by part, of a folder that `geoships data split` wrote.

    Raises:
        GeoshipsError: If there is none, or columns are missing.
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


def open_chips(chips: Iterable[MaskedChip], data: Data) -> list[Source]:
    """Open chips with their labels.

    Raises:
        SceneError: If a chip or its mask cannot be read, or they differ in size.
    """
    assert data.chips
    reading = Reading(data.chips.bands, data.chips.scale, data.chips.offset, data.chips.sensor)
    only, classes = only_label(data.target), label_classes(data)
    sources = []
    for chip in chips:
        with open_scene(str(chip.image), data.bands, reading, optional=data.optional) as scene:
            labels = read_labels(chip.mask, scene.georeference, only=only, classes=classes)
        present = tuple(band in scene.wanted for band in data.bands)
        sources.append(Source(chip.image.stem, chip.scene, scene, labels, present))
    return sources
