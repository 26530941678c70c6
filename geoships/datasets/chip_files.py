"""Labelled chips: which there are, and their pixels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from geoships.config.classification import ChipFiles
from geoships.errors import GeoshipsError
from geoships.scene.tiling.resample import resample

BANDS = ("red", "green", "blue")
SHIP, OTHER = "ship", "no-ship"
LABELS = {"1": 1, SHIP: 1, "0": 0, OTHER: 0}
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
SCENE = re.compile(r"__(\d{8}_\d{6}_\w+?)__")  # of label__scene__longitude_latitude.png
FULL = {"uint8": 255.0, "uint16": 65_535.0}


@dataclass(frozen=True)
class Chip:
    """One labelled chip; label: 1 with a ship, else 0."""

    path: Path
    label: int

    @property
    def scene(self) -> str | None:
        """The scene that it was cut out of; None where the name does not tell.

        >>> Chip(Path("1__20170414_180529_0f28__-122.35_37.75.png"), 1).scene, Chip(Path("ship_7.png"), 1).scene
        ('20170414_180529_0f28', None)
        """
        found = SCENE.search(self.path.name)
        return found[1] if found else None


def find_chips(data: ChipFiles) -> list[Chip]:
    """The chips of the settings, in the order of their paths.

    Raises GeoshipsError where there are none of a class, or the list of labels is wrong.
    """
    chips = sorted(
        _listed(_below(data.root, data.labels), data.root) if data.labels else _in_folders(data.root),
        key=lambda chip: chip.path.as_posix(),
    )
    for name, label in ((SHIP, 1), (OTHER, 0)):
        if not any(chip.label == label for chip in chips):
            raise GeoshipsError(
                f"no chip of class {name} in {data.labels or data.root}; data.root holds folders {SHIP} and {OTHER} of "
                "PNG, JPEG or TIFF files, or data.labels names a CSV file with the columns file and label"
            )
    return chips


def read_chip(path: Path, size: int) -> NDArray[np.float32]:
    """Red, green and blue from 0 to 1, (3, size, size); grey pictures have three equal bands.

    Raises GeoshipsError where the file is no picture of 8 or 16 bits.
    """
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if stored is None or stored.dtype.name not in FULL:
        raise GeoshipsError(f"cannot read the chip {path}: it is no picture of 8 or 16 bits a band")
    image = stored[..., ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(FULL[stored.dtype.name])
    return np.stack([resample(np.ascontiguousarray(band), (size, size)) for band in image])


def _in_folders(root: Path) -> Iterator[Chip]:
    for name, label in ((SHIP, 1), (OTHER, 0)):
        for path in (root / name).rglob("*"):
            if path.suffix.lower() in SUFFIXES:
                yield Chip(path, label)


def _listed(table: Path, root: Path) -> Iterator[Chip]:
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeoshipsError(f"cannot read the labels {table}: {error}") from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise GeoshipsError(f"the labels {table} lack rows, or the columns file and label")
    for line, row in enumerate(rows, 2):
        if row["label"] not in LABELS:
            raise GeoshipsError(f"{table}, line {line}: the label is {row['label']!r}, none of {', '.join(LABELS)}")
        places = [folder / row["file"] for folder in (table.parent, root)]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise GeoshipsError(f"{table}, line {line}: no file {row['file']} in {table.parent} or {root}")
        yield Chip(path, LABELS[row["label"]])


def _below(root: Path, path: Path) -> Path:
    return path if path.is_file() else root / path
