"""Splits scenes and their masks into training, validation and test parts, as chips and as whole scenes."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from geoships.datasets.group_split import assign
from geoships.errors import GeoshipsError, OutputError
from geoships.output.raster import ClassSink
from geoships.output.stitch import RowBand
from geoships.scene.bands import describe_bands
from geoships.scene.georeference import georeference_of
from geoships.scene.layers.labels import IGNORED, require_same_place
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.radiometry import choose_radiometry
from geoships.scene.stored import read_stored
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity
from geoships.support.files import atomic_write, output_errors, real_path
from geoships.support.overwrite import set_aside
from geoships.support.transform_warning import without_transform_warning

SplitBy = Literal["scene", "block", "chip"]
Unit = tuple[str, int, int]  # what is never split, by scene name, row and column
INDEX = "chips.csv"
CONTENT = ("chips", "scenes", INDEX)  # of a folder of parts
COLUMNS = ("file", "mask", "scene", "row", "column", "ship_pixels", "known_pixels", "part")

CHIP_WARNING = (
    "split by chip: neighbouring chips are in different parts, so metrics will be too good; split by scene or block"
)


@dataclass(frozen=True)
class Pair:
    """A scene and its mask on the same grid."""

    scene: Path
    mask: Path

    @property
    def name(self) -> str:
        """File name of the scene without extension."""
        return self.scene.stem


@dataclass
class SplitSummary:
    """The result of a split.

    Attributes:
        index: Path of `chips.csv`.
        chips: Number of chips by part.
        ship_pixels: Number of ship pixels by part.
        known_pixels: Number of labelled pixels by part.
        warnings: Messages for the user.
    """

    index: Path
    chips: dict[str, int]
    ship_pixels: dict[str, int]
    known_pixels: dict[str, int]
    warnings: list[str] = field(default_factory=list)


def find_pairs(scenes: Sequence[Path], masks: Path) -> list[Pair]:
    """Find the mask of each scene.

    Args:
        scenes: Scenes, or folders of GeoTIFFs.
        masks: Folder with the masks NAME.tif or NAME_mask.tif, or the mask of the one scene.

    Returns:
        The scenes with their masks.

    Raises:
        GeoshipsError: There is no scene, a mask is missing, or two scenes have the same name.
    """
    paths = [path for scene in scenes for path in (sorted(scene.glob("*.tif")) if scene.is_dir() else [scene])]
    paths = [path for path in paths if not path.stem.endswith("_mask")]
    if not paths:
        raise GeoshipsError(f"found no scene in {', '.join(map(str, scenes)) or 'an empty list'}; name GeoTIFF files")
    if len({path.stem for path in paths}) < len(paths):
        raise GeoshipsError(f"two of {len(paths)} scenes have the same file name; rename one")
    pairs = []
    for scene in paths:
        candidates = [masks / f"{scene.stem}{suffix}.tif" for suffix in ("_mask", "")] if masks.is_dir() else [masks]
        mask = next((path for path in candidates if path.is_file() and real_path(path) != real_path(scene)), None)
        if mask is None:
            raise GeoshipsError(
                f"no mask of {scene}: expected {' or '.join(map(str, candidates))}; make it with geoships data masks"
            )
        pairs.append(Pair(scene, mask))
    return pairs


def split(
    pairs: Sequence[Pair],
    out: Path,
    *,
    by: SplitBy,
    shares: Mapping[str, float],
    chip: int = 256,
    block: int = 1024,
    seed: int = 0,
    overwrite: bool = False,
) -> SplitSummary:
    """Split scenes into parts, and write the chips and scenes of each part with their masks.

    chips/PART/images and chips/PART/masks hold GeoTIFFs of `chip` x `chip` pixels with all bands as stored; chips.csv
    lists them. Chips without labelled pixels are skipped. scenes/PART/images and scenes/PART/masks hold whole scenes;
    where a scene is split between parts, pixels of other parts are 255 (unknown) in the mask.

    Args:
        pairs: Scenes and masks.
        out: Folder to write to.
        by: Unit that is never split between parts: a scene, a block or a chip.
        shares: Target fraction of the pixels by part.
        chip: Pixels per side of a chip.
        block: Pixels per side of a block, rounded to whole chips.
        seed: Order of units with the same pixel counts.
        overwrite: Replace the parts that `out` holds, with all their chips and scenes.

    Returns:
        Counts by part.

    Raises:
        GeoshipsError: A mask has another size than its scene, `out` already holds parts, or there are fewer units
            than parts.
    """
    _check_free(out, pairs, overwrite=overwrite)
    side = {"scene": 0, "block": max(1, round(block / chip)) * chip, "chip": chip}[by]
    units: dict[Unit, tuple[int, int]] = {}
    for pair in pairs:
        with _open_pair(pair) as (_, mask):
            units |= {unit: pixels for unit, pixels in _count_units(pair.name, mask, side or None) if sum(pixels)}
    if len(units) < len(shares):
        raise GeoshipsError(
            f"{len(units)} {by}s with labelled pixels cannot fill {len(shares)} parts; use fewer parts or smaller units"
        )
    with set_aside(out / name for name in CONTENT):
        summary = _write_parts(pairs, out, assign(units, shares, seed=seed), list(shares), chip, side)
    if by == "chip":
        summary.warnings.append(CHIP_WARNING)
    return summary


def cut_into_parts(pairs: Sequence[Pair], out: Path, parts: Mapping[str, str], *, chip: int = 256) -> SplitSummary:
    """Write chips and scenes like `split`, with a given part for each scene.

    Args:
        pairs: Scenes and masks.
        out: Folder to write to.
        parts: Name of the part by name of the scene.
        chip: Pixels per side of a chip.

    Returns:
        Counts by part.

    Raises:
        GeoshipsError: A mask has another size than its scene, or `out` already holds parts.
    """
    _check_free(out, pairs)
    units = {(pair.name, 0, 0): parts[pair.name] for pair in pairs}
    return _write_parts(pairs, out, units, sorted(set(parts.values())), chip, 0)


def _check_free(out: Path, pairs: Sequence[Pair], *, overwrite: bool = False) -> None:
    """Raise OutputError where a folder holds parts, or the scenes to split."""
    inputs = {path.resolve() for pair in pairs for path in (pair.scene, pair.mask)}
    for place in (out / name for name in CONTENT):
        if place.exists() and not overwrite:
            raise OutputError(f"{out} already holds parts; name another folder, or use --overwrite")
        if any(place.resolve() in (path, *path.parents) for path in inputs):
            raise OutputError(f"{place} holds scenes or masks that are to be split; name another folder")


def _write_parts(
    pairs: Sequence[Pair], out: Path, parts: Mapping[Unit, str], names: Sequence[str], chip: int, side: int
) -> SplitSummary:
    """Write chips, scenes and the index. parts: by unit. side: pixels per side of a unit; 0 for whole scenes."""
    summary = SplitSummary(out / INDEX, dict.fromkeys(names, 0), dict.fromkeys(names, 0), dict.fromkeys(names, 0))
    rows: list[tuple[Any, ...]] = []
    for pair in pairs:
        with _open_pair(pair) as (scene, mask):
            rows += _write_chips(pair.name, scene, mask, out, parts, chip, side)
            _write_scenes(pair, mask, out, parts, side)
    for *_, ships, known, part in rows:
        summary.chips[part] += 1
        summary.ship_pixels[part] += ships
        summary.known_pixels[part] += known
    with atomic_write(summary.index) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return summary


@contextmanager
def _open_pair(pair: Pair) -> Iterator[tuple[DatasetReader, DatasetReader]]:
    """Yield the scene and its mask, opened for reading. Raises GeoshipsError where their sizes or places differ."""
    with ExitStack() as stack:
        sources = [resolve(path) for path in (pair.scene, pair.mask)]
        stack.enter_context(gdal_env(sources[0]))
        scene, mask = (stack.enter_context(open_dataset(source)) for source in sources)
        if scene.shape != mask.shape or mask.dtypes[0] != "uint8":
            raise GeoshipsError(
                f"{pair.mask}: expected a mask on the scene's grid, {scene.height} x {scene.width} uint8, got "
                f"{mask.height} x {mask.width} {mask.dtypes[0]}"
            )
        require_same_place(pair.mask, georeference_of(mask), georeference_of(scene))
        try:
            yield scene, mask
        except RasterioError as error:
            raise GeoshipsError(f"cannot read {pair.scene} or {pair.mask}: {error.__cause__ or error}") from error


def _count_units(name: str, mask: DatasetReader, side: int | None) -> Iterator[tuple[Unit, tuple[int, int]]]:
    """Yield the units of a scene with their (ship pixels, other labelled pixels)."""
    counts: dict[Unit, tuple[int, int]] = {}
    for window in _grid(mask.shape, side or 1024):
        ships, known = _count_pixels(mask.read(1, window=_rasterio_window(window)))
        unit = (name, window.row, window.column) if side else (name, 0, 0)
        previous = counts.get(unit, (0, 0))
        counts[unit] = (previous[0] + ships, previous[1] + known - ships)
    yield from counts.items()


def _count_pixels(values: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the numbers of ship pixels and of labelled pixels."""
    known = values != IGNORED
    return int(np.count_nonzero(values[known])), int(np.count_nonzero(known))


def _grid(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Yield squares that cover a scene, clipped to it."""
    for row in range(0, shape[0], side):
        for column in range(0, shape[1], side):
            yield Window(row, column, min(side, shape[0] - row), min(side, shape[1] - column))


def _rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.column, window.row, window.width, window.height)


def _unit_of(name: str, window: Window, side: int) -> Unit:
    return (name, window.row // side * side, window.column // side * side) if side else (name, 0, 0)


def _write_chips(
    name: str, scene: DatasetReader, mask: DatasetReader, out: Path, parts: Mapping[Unit, str], chip: int, side: int
) -> Iterator[tuple[Any, ...]]:
    """Write the chips of a scene; those at its lower and right edge are padded with nodata and unknown labels."""
    layout = _ChipBands.of_scene(scene)
    for window in _grid(scene.shape, chip):
        part = parts.get(_unit_of(name, window, side))
        labels = mask.read(1, window=_rasterio_window(window))
        ships, known = _count_pixels(labels)
        if part is None or not known:
            continue
        file = f"{name}_{window.row}_{window.column}.tif"
        image_path, mask_path = out / "chips" / part / "images" / file, out / "chips" / part / "masks" / file
        transform = scene.window_transform(_rasterio_window(window))
        stored = read_stored(scene, layout.indexes, window=_rasterio_window(window))
        inside = layout.validity.mask(scene, stored, _rasterio_window(window))
        valid = np.full((chip, chip), bool(inside.all()))  # a chip with data everywhere inside needs no mask
        valid[: window.height, : window.width] = inside
        image = np.zeros((len(stored), chip, chip), stored.dtype)
        if layout.nodata is not None:
            image[:] = layout.nodata
        image[:, : window.height, : window.width] = stored
        padded_labels = np.full((chip, chip), IGNORED, np.uint8)
        padded_labels[: window.height, : window.width] = labels
        _write(image_path, image, scene, transform, layout, valid)
        _write(mask_path, padded_labels[None], mask, transform, _ChipBands.of_mask(mask))
        relative = (path.relative_to(out).as_posix() for path in (image_path, mask_path))
        yield (*relative, name, window.row, window.column, ships, known, part)


@dataclass(frozen=True)
class _ChipBands:
    """What the chips of a raster hold.

    indexes: bands (from 1), without alpha bands. validity: which pixels have data. nodata: value of pixels without
    data; None: chips get a mask in its place. scales, offsets: to reflectance, by band.
    """

    indexes: tuple[int, ...]
    validity: Validity
    nodata: float | None
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @classmethod
    def of_scene(cls, scene: DatasetReader) -> _ChipBands:
        """The bands of a scene. Bands of several data types become one type, so each gets a scale of its own."""
        indexes = tuple(band.index for band in describe_bands(scene) if not band.is_alpha)
        validity = Validity.of(scene, indexes)
        scales, offsets = (tuple(values[index - 1] for index in indexes) for values in (scene.scales, scene.offsets))
        if len(set(validity.dtypes)) > 1:
            radiometry = choose_radiometry(
                validity.dtypes, scales, offsets, scene.tags(), sample=_sample(scene, indexes)
            )
            scales, offsets = radiometry.scale, radiometry.offset
        simple = not (validity.masks or validity.alphas) and len({*validity.nodata}) == len({*validity.dtypes}) == 1
        return cls(indexes, validity, validity.nodata[0] if simple else None, scales, offsets)

    @classmethod
    def of_mask(cls, mask: DatasetReader) -> _ChipBands:
        """The one band of a mask, whose unlabelled pixels are IGNORED."""
        return cls((1,), Validity.of(mask, [1]), IGNORED, mask.scales[:1], mask.offsets[:1])


def _sample(scene: DatasetReader, indexes: Sequence[int]) -> Callable[[], NDArray[Any]]:
    """Function that reads the values of a whole scene at low resolution, shape (bands, n)."""
    shape = (len(indexes), *(min(side, 512) for side in scene.shape))
    return lambda: read_stored(scene, indexes, out_shape=shape).reshape(len(indexes), -1)


def _write(
    path: Path, values: NDArray[Any], like: DatasetReader, transform: Any, bands: _ChipBands,
    valid: NDArray[np.bool_] | None = None,
) -> None:  # fmt: skip
    """Write a chip with the band names, scales, tags and colours of its scene, and a mask where it needs one."""
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"crs": like.crs, "transform": transform, "nodata": bands.nodata}
    if like.transform.is_identity:
        del profile["transform"]
    with (
        atomic_write(path) as temporary,
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        without_transform_warning(),rasterio.open(
        temporary, "w", driver="GTiff", dtype=values.dtype, count=len(values), height=values.shape[1],
        width=values.shape[2], compress="deflate", **profile,
    ) as file
    ):  # fmt: skip
        file.write(values)
        file.scales, file.offsets = bands.scales, bands.offsets
        file.descriptions = [like.descriptions[index - 1] for index in bands.indexes]
        file.update_tags(**{key: value for key, value in like.tags().items() if key != "AREA_OR_POINT"})
        if like.colorinterp[0] == rasterio.enums.ColorInterp.palette and valid is None:
            file.write_colormap(1, like.colormap(1))
        if valid is not None and bands.nodata is None and not valid.all():
            file.write_mask(valid)


def _write_scenes(pair: Pair, mask: DatasetReader, out: Path, parts: Mapping[Unit, str], side: int) -> None:
    """Write a scene and its mask into each part that has units of it."""
    for part in sorted({part for unit, part in parts.items() if unit[0] == pair.name}):
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
    """Make a hard link, or a copy where the file system has no hard links."""
    try:
        os.link(real_path(source), target)
    except OSError:
        shutil.copy2(source, target)


def _write_partial(
    name: str, mask: DatasetReader, target: Path, parts: Mapping[Unit, str], part: str, side: int
) -> None:
    """Write a copy of a mask in which units of other parts are unknown."""
    with ClassSink(target, georeference_of(mask), mask.tags()) as sink:
        for row in range(0, mask.height, side):
            rows = Window(row, 0, min(side, mask.height - row), mask.width)
            values = mask.read(1, window=_rasterio_window(rows))
            known = values != IGNORED
            for column in range(0, mask.width, side):
                if parts.get((name, row, column)) != part:
                    known[:, column : column + side] = False
            sink.write(RowBand(row, values.astype(np.float32), known))
