"""Scenes and their masks in parts to train, validate and test on: as chips, and as whole scenes."""

from __future__ import annotations

import csv
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from geoships.datasets.group_split import assign
from geoships.errors import GeoshipsError
from geoships.output.raster import ClassSink
from geoships.output.stitch import RowBand
from geoships.scene.georeference import georeference_of
from geoships.scene.layers.labels import IGNORED
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write, output_errors

By = Literal["scene", "block", "chip"]
Place = tuple[str, int, int]  # scene, row and column of a unit that stays whole
INDEX = "chips.csv"
COLUMNS = ("file", "mask", "scene", "row", "column", "ship_pixels", "known_pixels", "part")

CHIP_WARNING = (
    "split by chip: neighbours fall on both sides, so that figures come out too good; split by scene or block"
)


@dataclass(frozen=True)
class Pair:
    """A scene and its mask, on one grid."""

    scene: Path
    mask: Path

    @property
    def name(self) -> str:
        """The stem of the scene's file."""
        return self.scene.stem


@dataclass
class Parts:
    """What was written: chips, and pixels of ships and others that are known, in each part."""

    index: Path
    chips: dict[str, int]
    ship_pixels: dict[str, int]
    known_pixels: dict[str, int]
    warnings: list[str] = field(default_factory=list)


def find_pairs(scenes: Sequence[Path], masks: Path) -> list[Pair]:
    """Scenes (files, or folders of GeoTIFFs) with the mask NAME.tif or NAME_mask.tif of a folder, or the one file.

    Raises GeoshipsError where one is missing, or two scenes have one name.
    """
    found = [path for scene in scenes for path in (sorted(scene.glob("*.tif")) if scene.is_dir() else [scene])]
    found = [path for path in found if not path.stem.endswith("_mask")]
    if not found or len({path.stem for path in found}) < len(found):
        raise GeoshipsError(f"{len(found)} scenes, of which two have one name" if found else "there are no scenes")
    pairs = []
    for scene in found:
        places = [masks / f"{scene.stem}{mark}.tif" for mark in ("_mask", "")] if masks.is_dir() else [masks]
        mask = next((place for place in places if place.is_file() and place.resolve() != scene.resolve()), None)
        if mask is None:
            raise GeoshipsError(
                f"no mask of {scene}: {' or '.join(map(str, places))}; make it with geoships data masks"
            )
        pairs.append(Pair(scene, mask))
    return pairs


def split(
    pairs: Sequence[Pair],
    out: Path,
    *,
    by: By,
    shares: Mapping[str, float],
    chip: int = 256,
    block: int = 1024,
    seed: int = 0,
) -> Parts:
    """Write chips and scenes of each part, with their masks.

    chips/PART/images and masks: GeoTIFFs of `chip` pixels a side, all bands as stored, and chips.csv with all of them;
    those without known pixels are left out. scenes/PART/images and masks: whole scenes; where a scene is split, the
    pixels of the other parts are 255 in the mask.

    by: what stays whole, a scene, a block or a chip. shares: of each part. chip, block: pixels a side; a block is
    made of whole chips. seed: decides between equal units.
    Raises GeoshipsError for masks of another size than their scene, an `out` that holds parts already, too few units.
    """
    if any((out / name).exists() for name in ("chips", "scenes", INDEX)):
        raise GeoshipsError(f"{out} holds parts already; choose another folder")
    side = {"scene": 0, "block": max(1, round(block / chip)) * chip, "chip": chip}[by]
    units: dict[Place, tuple[int, int]] = {}
    for pair in pairs:
        with _opened(pair) as (_, mask):
            units |= {place: weights for place, weights in _units(pair.name, mask, side or None) if sum(weights)}
    if len(units) < len(shares):
        raise GeoshipsError(f"{len(units)} {by}s with known pixels cannot fill {len(shares)} parts")
    made = _write_parts(pairs, out, assign(units, shares, seed=seed), list(shares), chip, side)
    if by == "chip":
        made.warnings.append(CHIP_WARNING)
    return made


def cut(pairs: Sequence[Pair], out: Path, parts: Mapping[str, str], *, chip: int = 256) -> Parts:
    """Write chips and scenes as `split` does, each whole scene into the part that is named for it.

    parts: of each scene, by its name; chip: pixels a side. Raises GeoshipsError as `split` does.
    """
    if any((out / name).exists() for name in ("chips", "scenes", INDEX)):
        raise GeoshipsError(f"{out} holds parts already; choose another folder")
    units = {(pair.name, 0, 0): parts[pair.name] for pair in pairs}
    return _write_parts(pairs, out, units, sorted(set(parts.values())), chip, 0)


def _write_parts(
    pairs: Sequence[Pair], out: Path, parts: Mapping[Place, str], names: Sequence[str], chip: int, side: int
) -> Parts:
    """Write chips, scenes and the list of chips. parts: of each unit. side: of a unit in pixels; 0: whole scenes."""
    made = Parts(out / INDEX, dict.fromkeys(names, 0), dict.fromkeys(names, 0), dict.fromkeys(names, 0))
    rows: list[tuple[Any, ...]] = []
    for pair in pairs:
        with _opened(pair) as (scene, mask):
            rows += _write_chips(pair.name, scene, mask, out, parts, chip, side)
            _write_scenes(pair, mask, out, parts, side)
    for *_, ships, known, part in rows:
        made.chips[part] += 1
        made.ship_pixels[part] += ships
        made.known_pixels[part] += known
    with atomic_write(made.index) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return made


@contextmanager
def _opened(pair: Pair) -> Iterator[tuple[DatasetReader, DatasetReader]]:
    """The scene and its mask, opened for reading. Raises GeoshipsError where they do not fit each other."""
    with ExitStack() as stack:
        sources = [resolve(path) for path in (pair.scene, pair.mask)]
        stack.enter_context(gdal_env(sources[0]))
        scene, mask = (stack.enter_context(open_dataset(source)) for source in sources)
        if scene.shape != mask.shape or mask.dtypes[0] != "uint8":
            raise GeoshipsError(
                f"the mask {pair.mask} has {mask.height} x {mask.width} pixels of {mask.dtypes[0]}, and its scene "
                f"{scene.height} x {scene.width}; a mask is on the scene's grid, of uint8"
            )
        try:
            yield scene, mask
        except RasterioError as error:
            raise GeoshipsError(f"cannot read {pair.scene} or {pair.mask}: {error.__cause__ or error}") from error


def _units(name: str, mask: DatasetReader, side: int | None) -> Iterator[tuple[Place, tuple[int, int]]]:
    """Units of a scene with their (pixels of ships, other known pixels)."""
    step = side or 1024
    whole: dict[Place, tuple[int, int]] = {}
    for window in _grid(mask.shape, step):
        ships, known = _counts(mask.read(1, window=_area(window)))
        place = (name, window.row, window.column) if side else (name, 0, 0)
        before = whole.get(place, (0, 0))
        whole[place] = (before[0] + ships, before[1] + known - ships)
    yield from whole.items()


def _counts(values: NDArray[np.uint8]) -> tuple[int, int]:
    """Pixels of ships, and known pixels."""
    known = values != IGNORED
    return int(np.count_nonzero(values[known])), int(np.count_nonzero(known))


def _grid(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Squares that cover a scene, cut at its edges."""
    for row in range(0, shape[0], side):
        for column in range(0, shape[1], side):
            yield Window(row, column, min(side, shape[0] - row), min(side, shape[1] - column))


def _area(window: Window) -> RasterioWindow:
    return RasterioWindow(window.column, window.row, window.width, window.height)


def _unit_of(name: str, window: Window, side: int) -> Place:
    return (name, window.row // side * side, window.column // side * side) if side else (name, 0, 0)


def _write_chips(
    name: str, scene: DatasetReader, mask: DatasetReader, out: Path, parts: Mapping[Place, str], chip: int, side: int
) -> Iterator[tuple[Any, ...]]:
    """Write the chips of a scene; those at its lower and right edge are filled up with what is not known."""
    for window in _grid(scene.shape, chip):
        part = parts.get(_unit_of(name, window, side))
        labels = mask.read(1, window=_area(window))
        ships, known = _counts(labels)
        if part is None or not known:
            continue
        file = f"{name}_{window.row}_{window.column}.tif"
        image, below = out / "chips" / part / "images" / file, out / "chips" / part / "masks" / file
        place = scene.window_transform(_area(window))
        padded = Window(0, 0, chip, chip)
        filled = np.zeros((scene.count, chip, chip), scene.dtypes[0])
        if scene.nodata is not None:
            filled[:] = scene.nodata
        filled[:, : window.height, : window.width] = scene.read(window=_area(window))
        known_labels = np.full(padded.shape, IGNORED, np.uint8)
        known_labels[: window.height, : window.width] = labels
        _write(image, filled, scene, place)
        _write(below, known_labels[None], mask, place, nodata=IGNORED)
        relative = (path.relative_to(out).as_posix() for path in (image, below))
        yield (*relative, name, window.row, window.column, ships, known, part)


def _write(path: Path, values: NDArray[Any], like: DatasetReader, transform: Any, nodata: int | None = None) -> None:
    """Write a chip with bands, scales, tags and colours as its scene has them."""
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"crs": like.crs, "transform": transform, "nodata": like.nodata if nodata is None else nodata}
    if like.transform.is_identity:
        del profile["transform"]
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            temporary, "w", driver="GTiff", dtype=values.dtype, count=len(values), height=values.shape[1],
            width=values.shape[2], compress="deflate", **profile,
        ) as file:  # fmt: skip
            file.write(values)
            file.scales, file.offsets, file.descriptions = like.scales, like.offsets, like.descriptions
            file.update_tags(**{key: value for key, value in like.tags().items() if key != "AREA_OR_POINT"})
            if nodata is not None and like.colorinterp[0] == rasterio.enums.ColorInterp.palette:
                file.write_colormap(1, like.colormap(1))


def _write_scenes(pair: Pair, mask: DatasetReader, out: Path, parts: Mapping[Place, str], side: int) -> None:
    """Write a scene and its mask into each part that has some of it."""
    for part in sorted({part for place, part in parts.items() if place[0] == pair.name}):
        folder = out / "scenes" / part
        with output_errors(folder):
            for name in ("images", "masks"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            _link(pair.scene, folder / "images" / pair.scene.name)
        target = folder / "masks" / f"{pair.name}.tif"
        if side:
            _write_partial(pair.name, mask, target, parts, part, side)
        else:
            with output_errors(target):
                _link(pair.mask, target)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has none."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def _write_partial(
    name: str, mask: DatasetReader, target: Path, parts: Mapping[Place, str], part: str, side: int
) -> None:
    """A copy of a mask in which the units of other parts are not known."""
    with ClassSink(target, georeference_of(mask), mask.tags()) as sink:
        for row in range(0, mask.height, side):
            rows = Window(row, 0, min(side, mask.height - row), mask.width)
            values = mask.read(1, window=_area(rows))
            known = values != IGNORED
            for column in range(0, mask.width, side):
                if parts.get((name, row, column)) != part:
                    known[:, column : column + side] = False
            sink.write(RowBand(row, values.astype(np.float32), known))
