"""Crops: what the network is trained on, drawn at random and varied.

Crop i of epoch e depends on the seed, e and i alone: not on workers, devices, or where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler
from torchgeo.datasets import GeoDataset

from geoships.config.augment import Augment
from geoships.config.segmentation import Crops as CropSettings
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window
from geoships.scene.torchgeo import GeoSampler, SceneDataset, WindowSlice
from geoships.scene.water import find_water
from geoships.training.augment.paste_land import paste_land
from geoships.training.augment.paste_ships import Donors, paste_ships
from geoships.training.augment.radiometry import Image, Recipe, orient, vary
from geoships.training.labelled_scenes import LabelledScene

Crop = dict[str, torch.Tensor]
Mask = NDArray[np.uint8]


class ShipSampler(GeoSampler):  # type: ignore[misc]  # its home differs between torchgeo 0.8 and 0.10
    """Yields windows at random: a share of them around ships, the others anywhere or around hard examples.

    dataset: what the queries are for. images: the scene.
    ships, hard: (n, 2) centres as column, row. sides: least and greatest (rows, columns) of a window in scene pixels.
    around_ship, hard_share: share of windows around ships, and of the others around hard examples.
    count, seed: how many windows an iteration yields, and which.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        images: SceneDataset,
        *,
        ships: NDArray[np.float64],
        hard: NDArray[np.float64],
        sides: tuple[tuple[float, float], tuple[float, float]],
        around_ship: float,
        hard_share: float,
        count: int = 1,
        seed: int = 0,
    ) -> None:
        self.index, self.res = dataset.index, dataset.res
        self._grid, self._scene = images.grid, images.scene.window
        self._ships, self._hard, self._sides = ships, hard, sides
        self._around_ship, self._hard_share = around_ship, hard_share
        self._count, self._seed = count, seed

    def draw(self, rng: np.random.Generator) -> WindowSlice:
        """One window; sizes are spread evenly on a logarithmic scale."""
        low, high = self._sides
        zoom = rng.uniform(0, 1)
        height, width = (round(least * (most / least) ** zoom) for least, most in zip(low, high, strict=True))
        column, row = self._centre(rng, height, width)
        top, left = (
            int(np.clip(round(centre - side / 2), min(0, length - side), max(0, length - side)))
            for centre, side, length in ((row, height, self._scene.height), (column, width, self._scene.width))
        )
        window = Window(top, left, height, width)
        return self._grid.query(window)

    def _centre(self, rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
        around = self._ships if rng.random() < self._around_ship else None
        if around is None and rng.random() < self._hard_share:
            around = self._hard
        if around is None or not len(around):
            return rng.uniform(0, 1, 2) * (self._scene.width, self._scene.height)
        return np.asarray(around[rng.integers(len(around))] + rng.uniform(-0.4, 0.4, 2) * (width, height))

    def __iter__(self) -> Iterator[WindowSlice]:
        """Yield [xmin:xmax, ymin:ymax] of each window, with the window."""
        rng = np.random.default_rng(self._seed)
        for _ in range(self._count):
            yield self.draw(rng)

    def __len__(self) -> int:
        return self._count


def centres(polygons: Sequence[shapely.Geometry]) -> NDArray[np.float64]:
    """(n, 2) centroids."""
    return np.asarray(shapely.get_coordinates(shapely.centroid(np.array(polygons, dtype=object))))


@dataclass(frozen=True)
class CropSource:
    """A scene to cut crops of, and how often it is drawn."""

    scene: LabelledScene
    sampler: ShipSampler
    weight: float


def crop_source(
    scene: LabelledScene, settings: CropSettings, augment: Augment, hard: Sequence[shapely.Geometry] = ()
) -> CropSource:
    """Plan the crops of one scene. Scenes are drawn by (ships + 1) to the power 1 - `evenly`."""
    low, high = (augment.scale.low, augment.scale.high) if augment.scale else (1.0, 1.0)
    rows, columns = (settings.size / scale for scale in scene.scale)
    sampler = ShipSampler(
        scene.dataset,
        scene.images,
        ships=centres(scene.labels.ships),
        hard=centres(hard),
        sides=((rows * low, columns * low), (rows * high, columns * high)),
        around_ship=settings.around_ship,
        hard_share=settings.hard,
    )
    return CropSource(scene, sampler, (len(scene.labels.ships) + 1) ** (1 - settings.evenly))


class Crops(Dataset[Crop]):
    """Varied crops, by (epoch, number).

    A crop holds `image`, (bands, size, size) float32, normalised; `mask`, (1, size, size) uint8:
    BACKGROUND, SHIP or IGNORED.
    """

    def __init__(
        self,
        sources: Sequence[CropSource],
        donors: Donors,
        recipe: Recipe,
        augment: Augment,
        *,
        size: int,
        rim: int,
        seed: int,
    ) -> None:
        self._sources, self._donors, self._recipe, self._augment = sources, donors, recipe, augment
        self._size, self._rim, self._seed = size, rim, seed
        weights = np.array([source.weight for source in sources])
        self._odds = weights / weights.sum()

    def __getitem__(self, key: tuple[int, int]) -> Crop:
        """Make one crop."""
        rng = np.random.default_rng([self._seed, *key])
        source = self._draw(rng)
        query = source.sampler.draw(rng)
        image, mask = at_size(*source.scene.sample(query.window), self._size)
        if self._augment.paste_land and rng.random() < self._augment.paste_land.p:
            self._paste_land(image, mask, self._size / query.window.height / source.scene.scale[0], rng)
        if self._augment.paste_ships and rng.random() < self._augment.paste_ships.p:
            zoom = self._size / query.window.height
            paste_ships(image, mask, self._donors.pick(source.scene.group, rng), zoom, self._augment.paste_ships, rng)
        image = self._recipe.apply(vary(image, self._augment, self._recipe.bands, rng))
        image, mask = orient(image, hide_rim(mask, self._rim), self._augment, rng)
        return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask[None])}

    def _paste_land(self, image: Image, mask: Mask, zoom: float, rng: np.random.Generator) -> None:
        """Put another crop's land onto this one's water."""
        assert self._augment.paste_land
        other = self._draw(rng)
        land, land_mask = at_size(*other.scene.sample(other.sampler.draw(rng).window), self._size)
        water = find_water(land, self._recipe.bands)
        if water is not None:
            paste_land(image, mask, land, ~water & (land_mask == 0), self._augment.paste_land, zoom, rng)

    def _draw(self, rng: np.random.Generator) -> CropSource:
        return self._sources[int(rng.choice(len(self._sources), p=self._odds))]


def at_size(
    image: NDArray[np.float32], mask: Mask, valid: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.float32], Mask]:
    """Bring a window to (size, size); pixels without data become IGNORED."""
    mask = np.where(valid, mask, np.uint8(IGNORED))
    if mask.shape == (size, size):
        return image, mask
    shape = (size, size)
    shrunk = np.stack([resample(band, shape) for band in image])
    ship = resample((mask == SHIP).astype(np.float32), shape) > 0.5
    ignored = resample((mask == IGNORED).astype(np.float32), shape) > 0.5
    return shrunk, np.where(ship, np.uint8(SHIP), np.where(ignored, np.uint8(IGNORED), np.uint8(0)))


def hide_rim(mask: Mask, rim: int) -> Mask:
    """Set pixels within `rim` of a ship's outline to IGNORED, on both sides; a ship keeps what is deepest in it."""
    if not rim:
        return mask
    ship = (mask == SHIP).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    inner = cv2.erode(ship, kernel, borderValue=1)
    _, labels = cv2.connectedComponents(ship, connectivity=8)
    lost = ~np.isin(labels, np.unique(labels[inner > 0])) & (ship > 0)
    around = (cv2.dilate(ship, kernel) > 0) & (inner == 0) & ~lost
    return np.where(around, np.uint8(IGNORED), mask)


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, number) for each crop of an epoch; devices of one run share them out.

    count: crops in an epoch. rank, world: which device this is, and of how many.
    """

    def __init__(self, count: int, rank: int = 0, world: int = 1) -> None:
        self._count, self._rank, self._world = count, rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for number in range(self._rank, self._count - self._count % self._world, self._world):
            yield self._epoch, number

    def __len__(self) -> int:
        return self._count // self._world
