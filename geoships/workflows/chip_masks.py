"""Writes labelled chips as scenes with masks, to train a segmentation model on."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from geoships.config.classification import ChipFiles
from geoships.datasets.chip_masks import segment_ship
from geoships.datasets.chip_outlines import DOUBTFUL, INSTALLED, VESSEL, Outline, pixels_key, read_outlines
from geoships.errors import GeoshipsError, OutputError
from geoships.support.files import atomic_write, output_errors
from geoships.support.overwrite import set_aside
from geoships.training.classification.folds import ChipSet, make_folds, open_chips

Bytes = NDArray[np.uint8]

INDEX, MASKS = "chips.csv", "masks"
COLUMNS = ("file", "label", "part", "source", "ship_pixels", "mask")
DRAWN, EMPTY = "drawn", "empty"  # sources besides those reviewed: an automatic mask; a chip without ship
LEFT_OUT = (DOUBTFUL, VESSEL)
UNKNOWN = 255
MARGIN = 16  # mirrored pixels around each chip, so that no crop has an edge that gives away the chip's centre
# Any metric CRS: the positions of chips have no meaning. But no two scenes lie at one place, or a model that was
# trained on one of them would seem to have seen the other.
CRS = "EPSG:32631"
APART = 10_000  # metres between two scenes


@dataclass(frozen=True)
class ChipMasks:
    """The result of `write_chip_masks`.

    Attributes:
        index: Path of `chips.csv`.
        chips: Number of chips.
        sources: Number of masks by source: DRAWN, EMPTY or a kind of `chip_outlines`.
        scenes: The written scenes; the mask NAME_mask.tif is beside each.
    """

    index: Path
    chips: int
    sources: dict[str, int]
    scenes: tuple[Path, ...]


@dataclass(frozen=True)
class _MaskedChip:
    """One chip (rows, columns, 3) with its mask (rows, columns): 0, 1 for ship, UNKNOWN."""

    name: str
    label: int
    rgb: Bytes
    mask: Bytes
    source: str


def write_chip_masks(
    files: ChipFiles, out: Path, *, parts: int = 5, corrections: Path | None = None, overwrite: bool = False
) -> ChipMasks:
    """Make a mask of every chip, and write the chips of each part side by side as one scene.

    The mask of a ship comes from `corrections` if they list the chip, otherwise from `segment_ship`. Chips of class
    no-ship have empty masks. Masks of doubtful chips, and of chips of class no-ship that show a vessel, are UNKNOWN;
    these chips are in no scene.

    Args:
        files: The labelled chips.
        out: Folder for `part-1.tif` and so on (red, green, blue, GSD of `files.gsd` metres) with `part-1_mask.tif`, the
            mask of each chip as `masks/NAME.png`, and `chips.csv`, whose column `file` is relative to `files.root`.
        parts: Number of parts. They are made like the folds of a cross-validation: near-duplicates and chips of one
            scene are in the same part.
        corrections: CSV file of reviewed outlines; None: those in this package.
        overwrite: Replace the parts that `out` holds, with their masks and `chips.csv`.

    Returns:
        Counts and paths.

    Raises:
        GeoshipsError: Chips or corrections cannot be read, or there are fewer groups than parts.
        OutputError: `out` already holds parts, or cannot be written.
    """
    old = [*out.glob("part-*.tif"), *(path for path in (out / MASKS, out / INDEX) if path.exists())]
    _check_free(out, old, (files.root, files.labels, corrections), overwrite=overwrite)
    outlines = read_outlines(corrections or INSTALLED)
    chips = open_chips(files)
    masked = [_make_mask(chips, number, outlines) for number in range(len(chips.chips))]
    if len({_mask_name(chip) for chip in masked}) < len(masked):
        raise GeoshipsError(f"{files.root}: two chips have the same name without extension; rename one")
    folds = make_folds(chips.labels, chips.groups, parts, files.split_seed)
    with set_aside(old):
        scenes = _write_all(masked, folds, out, files.gsd)
    return ChipMasks(out / INDEX, len(masked), dict(Counter(chip.source for chip in masked)), tuple(scenes))


def _check_free(out: Path, old: Sequence[Path], inputs: Sequence[Path | None], *, overwrite: bool) -> None:
    """Raise OutputError where a folder holds parts, or what is read lies among them."""
    if old and not overwrite:
        raise OutputError(f"{out} already holds parts ({old[0].name}); name another folder, or use --overwrite")
    read = [path.resolve() for path in inputs if path]
    for place in old:
        if any(place.resolve() in (path, *path.parents) for path in read):
            raise OutputError(f"{place} is read, or holds what is read; name another folder")


def _write_all(masked: Sequence[_MaskedChip], folds: Sequence[NDArray[np.int64]], out: Path, gsd: float) -> list[Path]:
    """Write masks, scenes and the index; returns the scenes."""
    parts = len(folds)
    part_of = {int(number): part for part, fold in enumerate(folds, 1) for number in fold}
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for chip in masked:
        _write_mask(out / _mask_name(chip), chip.mask)
    scenes = [out / f"part-{part}.tif" for part in range(1, parts + 1)]
    south = 0.0
    for scene, fold in zip(scenes, folds, strict=True):
        known = [masked[int(number)] for number in fold if masked[int(number)].source not in LEFT_OUT]
        if not known:
            raise GeoshipsError(f"{scene.stem} has no chip with a known mask; use fewer than {parts} parts")
        south = _write_scene(scene, known, gsd, south) + APART
    with atomic_write(out / INDEX) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_rows(masked, part_of))
    return scenes


def _make_mask(chips: ChipSet, number: int, outlines: Mapping[str, Outline]) -> _MaskedChip:
    rgb = np.round(chips.images[number].transpose(1, 2, 0) * 255).astype(np.uint8)
    label, reviewed = chips.chips[number].label, outlines.get(pixels_key(rgb))
    shape = (rgb.shape[0], rgb.shape[1])
    if reviewed and reviewed.kind in LEFT_OUT:
        mask, source = np.full(shape, UNKNOWN, np.uint8), reviewed.kind
    elif reviewed and label:
        mask, source = reviewed.mask(shape).astype(np.uint8), reviewed.kind
    elif label:
        mask, source = segment_ship(rgb).astype(np.uint8), DRAWN
    else:
        mask, source = np.zeros(shape, np.uint8), EMPTY
    return _MaskedChip(chips.name(number), label, rgb, mask, source)


def _mask_name(chip: _MaskedChip) -> str:
    name = PurePath(chip.name)
    relative = PurePath(name.name) if name.is_absolute() else name
    return (PurePath(MASKS) / relative.with_suffix(".png")).as_posix()


def _write_mask(path: Path, mask: Bytes) -> None:
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


def _rows(masked: Sequence[_MaskedChip], part_of: Mapping[int, int]) -> Iterator[tuple[object, ...]]:
    for number, chip in enumerate(masked):
        pixels = int((chip.mask == 1).sum())
        yield chip.name, chip.label, f"part-{part_of[number]}", chip.source, pixels, _mask_name(chip)


def _write_scene(path: Path, chips: Sequence[_MaskedChip], gsd: float, south: float) -> float:
    """Write chips side by side, each with a mirrored margin that is UNKNOWN in the mask.

    Args:
        path: Of the scene.
        chips: The chips.
        gsd: Pixel size in metres.
        south: Northing of the scene's lower edge in metres.

    Returns:
        Northing of its upper edge.
    """
    cell = chips[0].mask.shape[0] + 2 * MARGIN
    columns = math.ceil(math.sqrt(len(chips)))
    rows = math.ceil(len(chips) / columns)
    image = np.zeros((3, rows * cell, columns * cell), np.uint8)
    mask = np.full(image.shape[1:], UNKNOWN, np.uint8)
    for index, chip in enumerate(chips):
        row, column = (number * cell for number in divmod(index, columns))
        padded = cv2.copyMakeBorder(chip.rgb, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101)
        image[:, row : row + cell, column : column + cell] = padded.transpose(2, 0, 1)
        inner = tuple(slice(start + MARGIN, start + cell - MARGIN) for start in (row, column))
        mask[inner] = chip.mask
    north = float(south + gsd * rows * cell)
    grid = {"crs": CRS, "transform": Affine(gsd, 0, 500_000, 0, -gsd, north)}
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "height": mask.shape[0],
        "width": mask.shape[1],
        "compress": "deflate",
    }
    with ExitStack() as stack:  # the scene is renamed last, so a scene always has its mask
        scene = stack.enter_context(atomic_write(path))
        mask_path = stack.enter_context(atomic_write(path.with_name(f"{path.stem}_mask.tif")))
        with rasterio.open(scene, "w", count=3, photometric="RGB", **profile, **grid) as file:
            file.write(image)
            file.descriptions = ("red", "green", "blue")
            file.scales = (1 / 255,) * 3
        with rasterio.open(mask_path, "w", count=1, nodata=UNKNOWN, **profile, **grid) as file:
            file.write(mask, 1)
    return north
