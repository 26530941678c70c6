"""From labelled chips to scenes with masks: what a segmentation model can be trained on."""

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
from geoships.datasets.chip_masks import draw_mask
from geoships.datasets.chip_outlines import DOUBTFUL, INSTALLED, VESSEL, Outline, pixels_key, read_outlines
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors
from geoships.training.classification.folds import ChipSet, make_folds, open_chips

Bytes = NDArray[np.uint8]

INDEX = "chips.csv"
COLUMNS = ("file", "label", "part", "source", "ship_pixels", "mask")
DRAWN, EMPTY = "drawn", "empty"  # beside the kinds of outlines: a mask that nobody looked at; a chip without a ship
LEFT_OUT = (DOUBTFUL, VESSEL)
UNKNOWN = 255
MARGIN = 16  # mirrored pixels around each chip: no crop sees a frame that tells where the middle is
GRID = "EPSG:32631"  # a metric grid; the chips' places on it mean nothing


@dataclass(frozen=True)
class ChipScenes:
    """What was written. sources: masks by where they come from. scenes: with the mask NAME_mask.tif beside each."""

    index: Path
    chips: int
    sources: dict[str, int]
    scenes: tuple[Path, ...]


@dataclass(frozen=True)
class _Masked:
    """One chip (rows, columns, 3) with its mask (rows, columns): 0, 1 for ship, UNKNOWN."""

    name: str
    label: int
    picture: Bytes
    mask: Bytes
    source: str


def write_chip_scenes(files: ChipFiles, out: Path, *, parts: int = 5, corrections: Path | None = None) -> ChipScenes:
    """Outline the ship of every chip, and lay the chips of each part out as one scene.

    A ship is outlined by hand where `corrections` know the chip, else by `draw_mask`. Chips of class no-ship have
    empty masks. Doubtful chips, and those that show a vessel and are no ship chips, are UNKNOWN, and in no scene.

    out: gets `part-1.tif` and so on (red, green, blue, pixels of `files.gsd` metres) with `part-1_mask.tif`, a mask
    of each chip as `masks/NAME.png`, and `chips.csv`, with `file` as it lies below `files.root`.
    parts: made as folds of a cross-validation are, so that near-duplicates and chips of one scene are in one part.
    Raises GeoshipsError where chips or corrections cannot be read, `out` holds parts already, or groups are too few.
    """
    if any(out.glob("part-*.tif")):
        raise GeoshipsError(f"{out} holds parts already; choose another folder")
    outlines = read_outlines(corrections or INSTALLED)
    chips = open_chips(files)
    masked = [_masked(chips, number, outlines) for number in range(len(chips.chips))]
    if len({_mask_name(chip) for chip in masked}) < len(masked):
        raise GeoshipsError(f"two chips of {files.root} have one name, less the suffix; rename one")
    folds = make_folds(chips.labels, chips.groups, parts, files.split_seed)
    part = {int(number): place for place, fold in enumerate(folds, 1) for number in fold}
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for chip in masked:
        _write_mask(out / _mask_name(chip), chip.mask)
    scenes = [out / f"part-{place}.tif" for place in range(1, parts + 1)]
    for scene, fold in zip(scenes, folds, strict=True):
        known = [masked[int(number)] for number in fold if masked[int(number)].source not in LEFT_OUT]
        if not known:
            raise GeoshipsError(f"{scene.stem} holds no chip whose ship is known; make fewer than {parts} parts")
        _write_scene(scene, known, files.gsd)
    with atomic_write(out / INDEX) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_rows(masked, part))
    return ChipScenes(out / INDEX, len(masked), dict(Counter(chip.source for chip in masked)), tuple(scenes))


def _masked(chips: ChipSet, number: int, outlines: Mapping[str, Outline]) -> _Masked:
    picture = np.round(chips.images[number].transpose(1, 2, 0) * 255).astype(np.uint8)
    label, known = chips.chips[number].label, outlines.get(pixels_key(picture))
    shape = (picture.shape[0], picture.shape[1])
    if known and known.kind in LEFT_OUT:
        mask, source = np.full(shape, UNKNOWN, np.uint8), known.kind
    elif known and label:
        mask, source = known.mask(shape).astype(np.uint8), known.kind
    elif label:
        mask, source = draw_mask(picture).astype(np.uint8), DRAWN
    else:
        mask, source = np.zeros(shape, np.uint8), EMPTY
    return _Masked(chips.name(number), label, picture, mask, source)


def _mask_name(chip: _Masked) -> str:
    name = PurePath(chip.name)
    below = PurePath(name.name) if name.is_absolute() else name
    return (PurePath("masks") / below.with_suffix(".png")).as_posix()


def _write_mask(path: Path, mask: Bytes) -> None:
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


def _rows(masked: Sequence[_Masked], part: Mapping[int, int]) -> Iterator[tuple[object, ...]]:
    for number, chip in enumerate(masked):
        pixels = int((chip.mask == 1).sum())
        yield chip.name, chip.label, f"part-{part[number]}", chip.source, pixels, _mask_name(chip)


def _write_scene(path: Path, chips: Sequence[_Masked], gsd: float) -> None:
    """Write chips side by side, each in its mirrored margin, which the mask calls UNKNOWN."""
    cell = chips[0].mask.shape[0] + 2 * MARGIN
    across = math.ceil(math.sqrt(len(chips)))
    down = math.ceil(len(chips) / across)
    image = np.zeros((3, down * cell, across * cell), np.uint8)
    mask = np.full(image.shape[1:], UNKNOWN, np.uint8)
    for place, chip in enumerate(chips):
        row, column = (number * cell for number in divmod(place, across))
        framed = cv2.copyMakeBorder(chip.picture, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101)
        image[:, row : row + cell, column : column + cell] = framed.transpose(2, 0, 1)
        inner = tuple(slice(start + MARGIN, start + cell - MARGIN) for start in (row, column))
        mask[inner] = chip.mask
    grid = {"crs": GRID, "transform": Affine(gsd, 0, 500_000, 0, -gsd, 0)}
    form = {"driver": "GTiff", "dtype": "uint8", "height": mask.shape[0], "width": mask.shape[1], "compress": "deflate"}
    with ExitStack() as stack:  # the scene comes last: where it is, its mask is
        scene = stack.enter_context(atomic_write(path))
        beside = stack.enter_context(atomic_write(path.with_name(f"{path.stem}_mask.tif")))
        with rasterio.open(scene, "w", count=3, photometric="RGB", **form, **grid) as file:
            file.write(image)
            file.descriptions = ("red", "green", "blue")
            file.scales = (1 / 255,) * 3
        with rasterio.open(beside, "w", count=1, nodata=UNKNOWN, **form, **grid) as file:
            file.write(mask, 1)
