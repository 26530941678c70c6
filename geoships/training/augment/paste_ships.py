"""Ship copy-paste: ships of one scene on the water of another.

After Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.config.augment import PasteShips
from geoships.scene.layers.labels import SHIP
from geoships.scene.tiling.windows import Window
from geoships.scene.water import find_water
from geoships.training.labelled_scenes import LabelledScene

SURROUNDINGS = 3  # pixels around a ship that are cut out with it, so that its edge can be interpolated
LARGEST = 96  # pixels along a side of what is pasted
PLACES = 12  # random places that are tried for each ship


@dataclass(frozen=True)
class Cutout:
    """A ship with its surroundings.

    image: (bands, rows, columns) reflectance, NaN where a band is absent. ship: (rows, columns), 0 or 1.
    """

    image: NDArray[np.float32]
    ship: NDArray[np.float32]


class Donors:
    """The ships of all scenes, by group.

    bands: STAC common names of the images' bands.
    """

    def __init__(self, scenes: Sequence[LabelledScene], bands: Sequence[str]) -> None:
        self.bands = tuple(bands)
        self._by_group: dict[str, list[Cutout]] = {}
        for scene in scenes:
            self._by_group.setdefault(scene.group, []).extend(cut_out(scene))

    def pick(self, group: str, rng: np.random.Generator) -> PasteSource:
        """The ships of another group, or of this one where there is no other."""
        others = [name for name, ships in sorted(self._by_group.items()) if ships and name != group]
        others = others or [name for name in (group,) if self._by_group.get(name)]
        ships = self._by_group[others[rng.integers(len(others))]] if others else []
        return PasteSource(ships, self.bands)


@dataclass(frozen=True)
class PasteSource:
    """Ships to paste."""

    ships: Sequence[Cutout]
    bands: tuple[str, ...]


def cut_out(scene: LabelledScene) -> Iterator[Cutout]:
    """Yield the ships that lie whole and alone in a scene, with their surroundings."""
    whole = scene.scene.window
    tree = shapely.STRtree(scene.labels.ships)
    for ship in scene.labels.ships:
        left, top, right, bottom = ship.bounds
        row, column = int(np.floor(top)) - SURROUNDINGS, int(np.floor(left)) - SURROUNDINGS
        window = Window(
            row, column, int(np.ceil(bottom)) + SURROUNDINGS - row, int(np.ceil(right)) + SURROUNDINGS - column
        )
        box = shapely.box(column, row, window.column_end, window.row_end)
        if window.intersection(whole) != window or len(tree.query(box, predicate="intersects")) > 1:
            continue
        image, mask, valid = scene.sample(window)
        if valid.all() and set(np.unique(mask)) == {0, SHIP}:
            yield Cutout(image, (mask == SHIP).astype(np.float32))


def paste_ships(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8],
    source: PasteSource,
    zoom: float,
    step: PasteShips,
    rng: np.random.Generator,
) -> None:
    """Put ships onto the water of a crop, in place, at any angle.

    image: (bands, rows, columns) reflectance. mask: (rows, columns). zoom: crop pixels per scene pixel.
    Nothing happens where the water cannot be told, for want of a near-infrared or green band.
    """
    found = find_water(image, source.bands)
    if found is None or not source.ships:
        return
    water = (found & (mask == 0)).astype(np.uint8)
    to_land = np.asarray(cv2.distanceTransform(water, cv2.DIST_L2, 3), np.float32)
    for _ in range(rng.integers(1, step.most + 1)):
        cutout = source.ships[int(rng.integers(len(source.ships)))]
        turned = _turned(cutout, zoom * step.zoom ** rng.uniform(-1, 1), rng.uniform(0, 360))
        if turned is None or turned.ship.shape[0] > min(water.shape):
            continue
        if (np.isnan(turned.image[:, 0, 0]) & np.isfinite(image[:, 0, 0])).any():
            continue  # the donor's sensor lacks a band that this scene has
        place = _place(water, to_land, turned.ship, rng.random() < step.moored, rng)
        if place is None:
            continue
        for band, pasted in zip(image, turned.image, strict=True):
            band[place] += turned.ship * (pasted - band[place])  # a band that this scene lacks stays NaN
        mask[place][turned.ship > 0.5] = SHIP
        water[place][turned.ship > 0.1] = 0


def _turned(cutout: Cutout, zoom: float, degrees: float) -> Cutout | None:
    """The cutout turned and zoomed; None where it becomes too large, or no pixel of the ship is left."""
    height, width = cutout.ship.shape
    side = int(np.ceil(np.hypot(height, width) * zoom)) | 1
    if side > LARGEST:
        return None
    centre = (width - 1) / 2, (height - 1) / 2
    turn = cv2.getRotationMatrix2D(centre, degrees, zoom)
    turn[:, 2] += ((side - 1) / 2 - centre[0], (side - 1) / 2 - centre[1])
    ship = np.asarray(cv2.warpAffine(cutout.ship, turn, (side, side)), np.float32)
    if not (ship > 0.5).any():
        return None
    bands = [cv2.warpAffine(band, turn, (side, side), borderMode=cv2.BORDER_REPLICATE) for band in cutout.image]
    return Cutout(np.stack(bands).astype(np.float32), ship)


def _place(
    water: NDArray[np.uint8],
    to_land: NDArray[np.float32],
    ship: NDArray[np.float32],
    moored: bool,
    rng: np.random.Generator,
) -> tuple[slice, slice] | None:
    """A square where the ship lies on water alone: the nearest to land of those tried, if `moored`."""
    side, under = ship.shape[0], ship > 0.1
    found = []
    for row, column in zip(
        rng.integers(0, water.shape[0] - side + 1, PLACES),
        rng.integers(0, water.shape[1] - side + 1, PLACES),
        strict=True,
    ):
        place = slice(int(row), int(row) + side), slice(int(column), int(column) + side)
        if water[place][under].all():
            found.append((float(to_land[place][under].min()), place))
    if not found:
        return None
    return min(found, key=lambda item: item[0])[1] if moored else found[0][1]
