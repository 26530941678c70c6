"""Finds labelled chips and reads their pixels."""

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
SHIP, NO_SHIP = "ship", "no-ship"
LABELS = {"1": 1, SHIP: 1, "0": 0, NO_SHIP: 0}
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
SCENE = re.compile(r"__(\d{8}_\d{6}_\w+?)__")  # in label__scene__longitude_latitude.png
FULL_SCALE = {"uint8": 255.0, "uint16": 65_535.0}


@dataclass(frozen=True)
class Chip:
    """A labelled chip.

    Attributes:
        path: Its file.
        label: 1 with a ship, otherwise 0.
    """

    path: Path
    label: int

    @property
    def scene(self) -> str | None:
        """The scene that the chip was cut from; None where the file name does not give it.

        >>> Chip(Path("1__20170414_180529_0f28__-122.35_37.75.png"), 1).scene, Chip(Path("ship_7.png"), 1).scene
        ('20170414_180529_0f28', None)
        """
        match = SCENE.search(self.path.name)
        return match[1] if match else None


def find_chips(data: ChipFiles) -> list[Chip]:
    """Find the chips that the settings name.

    Args:
        data: The folder of the chips, and the CSV file of their labels, if any.

    Returns:
        The chips, sorted by path.

    Raises:
        GeoshipsError: A class has no chip, or the CSV file is not valid.
    """
    chips = sorted(
        _read_labels(_resolve(data.root, data.labels), data.root) if data.labels else _find_in_folders(data.root),
        key=lambda chip: chip.path.as_posix(),
    )
    for name, label in ((SHIP, 1), (NO_SHIP, 0)):
        if not any(chip.label == label for chip in chips):
            raise GeoshipsError(
                f"no chip of class {name} in {data.labels or data.root}; expected folders {SHIP} and {NO_SHIP} of PNG, "
                "JPEG or TIFF files in data.root, or a CSV file with the columns file and label as data.labels"
            )
    return chips


def read_chip(path: Path, size: int) -> NDArray[np.float32]:
    """Read a chip, resampled to a square.

    Args:
        path: PNG, JPEG or TIFF file of 8 or 16 bits per band.
        size: Pixels per side of the result.

    Returns:
        (3, size, size) red, green and blue, 0 to 1; greyscale images have three equal bands.

    Raises:
        GeoshipsError: The file is not an image of 8 or 16 bits.
    """
    stored = read_stored(path)
    image = stored.astype(np.float32) / np.float32(FULL_SCALE[stored.dtype.name])
    return np.stack([resample(band, (size, size)) for band in image])


def read_stored(path: Path) -> NDArray[np.uint8 | np.uint16]:
    """Read the stored values of a chip.

    Args:
        path: PNG, JPEG or TIFF file of 8 or 16 bits per band.

    Returns:
        (3, rows, columns) red, green and blue; greyscale images have three equal bands.

    Raises:
        GeoshipsError: The file is not an image of 8 or 16 bits.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if bgr is None or bgr.dtype.name not in FULL_SCALE:
        raise GeoshipsError(f"cannot read the chip {path}: expected an image of 8 or 16 bits per band")
    return np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1))


def _find_in_folders(root: Path) -> Iterator[Chip]:
    for name, label in ((SHIP, 1), (NO_SHIP, 0)):
        for path in (root / name).rglob("*"):
            if path.suffix.lower() in SUFFIXES:
                yield Chip(path, label)


def _read_labels(table: Path, root: Path) -> Iterator[Chip]:
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeoshipsError(f"cannot read the labels {table}: {error}") from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise GeoshipsError(f"the labels {table}: expected rows with the columns file and label")
    for line, row in enumerate(rows, 2):
        if row["label"] not in LABELS:
            raise GeoshipsError(f"{table}, line {line}: expected a label of {', '.join(LABELS)}, got {row['label']!r}")
        candidates = [folder / row["file"] for folder in (table.parent, root)]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise GeoshipsError(f"{table}, line {line}: no file {row['file']} in {table.parent} or {root}")
        yield Chip(path, LABELS[row["label"]])


def _resolve(root: Path, path: Path) -> Path:
    return path if path.is_file() else root / path
