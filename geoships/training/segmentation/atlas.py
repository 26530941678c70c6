"""All training scenes at the model's pixel size, with their labels beside them: what crops are cut from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from geoships.config.segmentation import TrainConfig
from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import IGNORED, SHIP, Labels, without_overlaps
from geoships.scene.reader import Scene
from geoships.scene.tiles import TileReader
from geoships.scene.tiling.resample import ratio
from geoships.scene.tiling.windows import Window
from geoships.support.files import output_errors
from geoships.training.augment.canvas import water_bands
from geoships.training.augment.paste_ships import Cutouts
from geoships.training.pixel_table import PixelTable, new_table
from geoships.training.segmentation.target_planes import (
    ModelGrid,
    ShipMask,
    gap_plane,
    hide_rim,
    ship_masks,
    ship_plane,
)

STEP = 32  # model pixels of the units in which scenes are resampled, as in prediction
STRIP = 1024  # scene rows that are read at once
PLANES = 2  # after those of the classes: counted, weight
MARGIN = 4  # pixels around a ship that are cut out with it
LARGEST = 90  # pixels along a side of what is cut out
DARKEST_LAND = 0.12  # reflectance in near infrared that the water around a ship stays below
WATER_SHARE = 0.5  # of the pixels around a ship that are to be water


@dataclass(frozen=True)
class Source:
    """A labelled scene that crops are cut from.

    Attributes:
        name: Name of the scene.
        group: Group that it belongs to when data are split.
        scene: The raster; its file handles are closed after reading.
        labels: Ships and ignored areas, in pixels of the scene.
        present: Whether the scene has each of the model's bands.
        hard: Places that look like ships and are none, in pixels of the scene.
    """

    name: str
    group: str
    scene: Scene
    labels: Labels
    present: tuple[bool, ...]
    hard: tuple[shapely.Geometry, ...] = ()


@dataclass(frozen=True)
class AtlasScene:
    """What is known of one scene of an atlas.

    Attributes:
        name: Name of the scene.
        group: Group that it belongs to when data are split.
        shape: Rows and columns of model pixels.
        present: Whether it has each of the model's bands.
        ships: (n, 2) centres of ships: row and column of model pixels.
        hard: (n, 2) centres of hard examples: row and column of model pixels.
    """

    name: str
    group: str
    shape: tuple[int, int]
    present: tuple[bool, ...]
    ships: NDArray[np.float64]
    hard: NDArray[np.float64]


@dataclass(frozen=True)
class Atlas:
    """All training scenes in one table.

    Attributes:
        table: Pixels of the scenes: reflectance of each band (0 in absent ones), then 1 on ships (of several classes,
            one such number for each), 1 on pixels that count, and the weight of the pixel.
        scenes: One for each image of the table.
        cutouts: Ships to paste.
        bands: Common names of the model's bands.
    """

    table: PixelTable
    scenes: tuple[AtlasScene, ...]
    cutouts: Cutouts
    bands: tuple[str, ...]

    def to(self, device: torch.device) -> Atlas:
        """The same atlas on another device."""
        return Atlas(self.table.to(device), self.scenes, self.cutouts.to(device), self.bands)


@dataclass
class _Parts:
    """Cutouts that are gathered scene by scene."""

    pixels: list[NDArray[np.float16]] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    levels: list[NDArray[np.float32]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)


def build_atlas(sources: Sequence[Source], config: TrainConfig, folder: Path) -> Atlas:
    """Read, resample and label all scenes, once.

    Args:
        sources: The scenes.
        config: Settings of the training.
        folder: Where the temporary file of an atlas goes that is larger than `crops.memory`; it has no name there, and
            is gone with the process.

    Raises:
        SceneError: If a scene cannot be read.
        OutputError: If the temporary file cannot be written.
    """
    data = config.data
    grids = [_grid(source.scene.georeference, config) for source in sources]
    channels = len(data.bands) + len(data.targets) + PLANES
    table = new_table(
        [grid.shape for grid in grids],
        _allocate(sum(grid.shape[0] * grid.shape[1] for grid in grids), channels, config.crops.memory, folder),
    )
    everywhere = tuple(any(source.present[band] for source in sources) for band in range(len(data.bands)))
    parts, scenes = _Parts(), []
    for source, grid, first in zip(sources, grids, table.first.tolist(), strict=True):
        rows, columns = grid.shape
        pixels = table.pixels.numpy()[first : first + rows * columns].reshape(rows, columns, channels)
        ships = [list(ship_masks(source.labels.of_class(kind), grid)) for kind in range(len(data.targets))]
        plane = _write_planes(pixels, source, grid, ships, config)
        source.scene.close()
        if source.present == everywhere and config.augment.paste_ships:
            for kind, own in enumerate(ships):
                _cut_out(parts, pixels, own, plane, source, data.bands, kind)
        scenes.append(_describe(source, grid))
    return Atlas(table, tuple(scenes), _cutouts(parts, len(data.bands)), data.bands)


def _grid(georeference: Georeference, config: TrainConfig) -> ModelGrid:
    """The model's grid over a scene; a scene without a place has pixels of the model's size."""
    gsd, gsd_range = config.data.gsd, config.data.gsd_range
    across, down = georeference.pixel_size() or (gsd, gsd)
    ratios = (ratio(down, gsd, gsd_range, STEP), ratio(across, gsd, gsd_range, STEP))
    return ModelGrid(ratios, (georeference.height, georeference.width))


def _allocate(pixels: int, channels: int, memory: float, folder: Path) -> torch.Tensor:
    """(pixels, channels) float16 of zeros: in memory, or in a file where that would take more than `memory` GiB."""
    if pixels * channels * 2 <= memory * 2**30:
        return torch.zeros(pixels, channels, dtype=torch.float16)
    with output_errors(folder), tempfile.TemporaryFile(dir=folder) as file:  # the map keeps a handle of its own
        return torch.from_numpy(np.memmap(file, np.float16, "w+", shape=(pixels, channels)))


def _write_planes(
    pixels: NDArray[np.float16], source: Source, grid: ModelGrid, ships: list[list[ShipMask]], config: TrainConfig
) -> NDArray[np.uint8]:
    """Fill a scene's pixels, given the ships of each class; returns the plane of all ships, (rows, columns)."""
    planes = np.stack([ship_plane(own, grid.shape) for own in ships])
    if config.data.exclusive:
        planes = without_overlaps(planes)
    plane = np.asarray(planes.max(axis=0), np.uint8)
    bands, classes = len(source.present), len(planes)
    pixels[..., bands : bands + classes] = planes.transpose(1, 2, 0)
    gaps = np.any([gap_plane(own, plane, config.pixels.reach) for own in ships], axis=0)
    pixels[..., bands + classes + 1] = np.where(gaps, config.pixels.gap, 1)
    counted = (source.labels.mask(source.scene.window) != IGNORED)[np.ix_(grid.nearest(0), grid.nearest(1))]
    counted |= plane > 0
    masks = [np.where(counted, each * np.uint8(SHIP), np.uint8(IGNORED)) for each in planes]
    counted = np.all([hide_rim(mask, config.data.rim) != IGNORED for mask in masks], axis=0)
    own = np.flatnonzero(source.present)
    for rows, image, valid in _strips(source, grid):
        pixels[rows, :, own] = image.transpose(1, 2, 0)
        pixels[rows, :, bands + classes] = counted[rows] & valid
    return plane


def _strips(source: Source, grid: ModelGrid) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield rows of the model's grid, their reflectance (bands, rows, columns), and validity (rows, columns)."""
    reader = TileReader(source.scene, ratios=grid.ratios)
    down, across = grid.ratios
    height, width = grid.shape
    unit = down.scene
    nearest_row, nearest_column = grid.nearest(0), grid.nearest(1)
    columns = -(-grid.scene[1] // across.scene) * across.scene
    step = max(1, STRIP // unit) * unit
    for row in range(0, grid.scene[0], step):
        # A unit above and below, so that a strip is interpolated at its edges as in its middle.
        window = Window(row - unit, 0, step + 2 * unit, columns)
        sample = reader.read(window)
        start, stop = down.to_model(row), min(down.to_model(row + step), height)
        rows = slice(start, stop)
        image = sample["image"][:, down.model : down.model + stop - start, :width]
        valid = sample["valid"][np.ix_(nearest_row[rows] - window.row, nearest_column)]
        yield rows, image, valid


def _cut_out(
    parts: _Parts,
    pixels: NDArray[np.float16],
    ships: list[ShipMask],
    plane: NDArray[np.uint8],
    source: Source,
    bands: Sequence[str],
    kind: int,
) -> None:
    """Add the ships of one class of a scene that lie whole and alone on water; `plane` has those of all classes."""
    ndwi = water_bands(bands, source.present)
    if ndwi is None:
        return
    whole, count = Window(0, 0, *plane.shape), len(bands)
    for ship in ships:
        rows, columns = (np.flatnonzero(ship.mask.any(axis=axis)) for axis in (1, 0))
        tight = Window(ship.window.row + int(rows[0]), ship.window.column + int(columns[0]), len(rows), len(columns))
        window = Window(tight.row - MARGIN, tight.column - MARGIN, tight.height + 2 * MARGIN, tight.width + 2 * MARGIN)
        if window.intersection(whole) != window or max(window.shape) > LARGEST:
            continue
        image, labelled = pixels[window.within(whole)], plane[window.within(whole)] > 0
        mask = np.zeros(window.shape, np.bool_)
        inside = ship.window.intersection(window)
        mask[inside.within(window)] = ship.mask[inside.within(ship.window)]
        green, infrared = (image[..., band].astype(np.float32) for band in ndwi)
        ring = _ring(mask)
        wet = (green > infrared) & (infrared < DARKEST_LAND) & ring
        if (labelled & ~mask).any() or not image[..., -2].all() or wet.sum() < WATER_SHARE * ring.sum():
            continue
        cut = np.concatenate((image[..., :count], mask[..., None].astype(np.float16)), axis=2)
        parts.pixels.append(cut.reshape(-1, count + 1))
        parts.shapes.append(window.shape)
        parts.levels.append(image[wet][:, :count].astype(np.float32).mean(axis=0))
        parts.groups.append(source.group)
        parts.kinds.append(kind)


def _ring(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels within MARGIN of a ship, without it."""
    grown = mask.copy()
    for _ in range(MARGIN):
        padded = np.pad(grown, 1)
        grown = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return np.asarray(grown & ~mask)


def _cutouts(parts: _Parts, bands: int) -> Cutouts:
    pixels = np.concatenate(parts.pixels) if parts.pixels else np.zeros((0, bands + 1), np.float16)
    levels = np.stack(parts.levels) if parts.levels else np.zeros((0, bands), np.float32)
    table = new_table(parts.shapes, torch.from_numpy(pixels))
    return Cutouts(table, torch.from_numpy(levels), tuple(parts.groups), tuple(parts.kinds))


def _describe(source: Source, grid: ModelGrid) -> AtlasScene:
    return AtlasScene(
        name=source.name,
        group=source.group,
        shape=grid.shape,
        present=source.present,
        ships=_centres(source.labels.ships, grid),
        hard=_centres(source.hard, grid),
    )


def _centres(polygons: Sequence[shapely.Geometry], grid: ModelGrid) -> NDArray[np.float64]:
    """(n, 2) row and column of the centroids, in model pixels; the first pixel's centre is 0."""
    points = shapely.get_coordinates(shapely.centroid(np.array(polygons, dtype=object)))[:, ::-1]
    return np.asarray(points * grid.scale - 0.5)
