"""Ship copy-paste: ships of other scenes on the water of a crop.

After Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, CVPR 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from geoships.config.augment import PasteShips
from geoships.training.augment.canvas import Canvas, choose_place, square
from geoships.training.pixel_table import PixelTable, rotation

CANDIDATES = 32  # random places that are tried for each ship
CLEAR = 3  # pixels of water around the centre of a place
SPACE = 5  # pixels of the square in which a pixel near a ship has to be water


@dataclass(frozen=True)
class Cutouts:
    """Ships to paste.

    Attributes:
        table: Images of the ships with their surroundings: reflectance, and as last channel the ship's mask.
        levels: (ships, bands) float32: mean reflectance of the water around each ship.
        groups: The group of scenes that each ship is from.
        kinds: The class of each, by its number from 0.
    """

    table: PixelTable
    levels: torch.Tensor
    groups: tuple[str, ...]
    kinds: tuple[int, ...]

    def to(self, device: torch.device) -> Cutouts:
        """The same ships on another device."""
        return Cutouts(self.table.to(device), self.levels.to(device), self.groups, self.kinds)

    def of_others(self, group: str) -> NDArray[np.int64]:
        """Numbers of the ships of other groups; of all ships where there is no other group."""
        if group not in self._others:
            others = [number for number, own in enumerate(self.groups) if own != group]
            self._others[group] = np.array(others or range(len(self.groups)), np.int64)
        return self._others[group]

    @cached_property
    def _others(self) -> dict[str, NDArray[np.int64]]:
        return {}


@dataclass(frozen=True)
class ShipPaste:
    """One ship to paste.

    Attributes:
        cutout: Number of the ship.
        transform: (2, 3): how it is rotated, mirrored and zoomed; see `PixelTable.sample`.
        side: Pixels along a side of the square that it needs, odd.
        shift: Share of the difference between both waters by which its brightness is shifted.
        candidates: (n, 2) rows and columns of the crop: places for its centre.
    """

    cutout: int
    transform: NDArray[np.float64]
    side: int
    shift: float
    candidates: NDArray[np.int64]


def draw_ships(
    step: PasteShips | None, cutouts: Cutouts, group: str, size: int, rng: np.random.Generator
) -> tuple[ShipPaste, ...]:
    """Draw the ships that are to be pasted onto a crop of `size` pixels of a scene of this group."""
    if step is None or rng.random() >= step.p or not cutouts.groups:
        return ()
    numbers = cutouts.of_others(group)
    drawn = (
        _draw_ship(step, cutouts.table, int(rng.choice(numbers)), size, rng) for _ in range(rng.poisson(step.mean))
    )
    return tuple(ship for ship in drawn if ship is not None)


def _draw_ship(
    step: PasteShips, table: PixelTable, cutout: int, size: int, rng: np.random.Generator
) -> ShipPaste | None:
    rows, columns = table.shapes[cutout].tolist()
    zoom, angle = step.zoom ** rng.uniform(-1, 1), rng.uniform(0, 2 * math.pi)
    mirrored, shift = bool(rng.integers(2)), float(rng.uniform(step.level, 1))
    side = math.ceil(math.hypot(rows, columns) * zoom) | 1
    if side > size:
        return None
    candidates = rng.integers(side // 2, size - side // 2, (CANDIDATES, 2))
    transform = rotation(((rows - 1) / 2, (columns - 1) / 2), angle, zoom, mirrored)
    return ShipPaste(cutout, transform, side, shift, candidates)


def paste_ships(canvas: Canvas, ships: Sequence[ShipPaste], cutouts: Cutouts) -> None:
    """Paste ships onto the water of a crop, softly and levelled to its water; one without a place is left out."""
    for ship in ships:
        _paste(canvas, ship, cutouts)


def _paste(canvas: Canvas, ship: ShipPaste, cutouts: Cutouts) -> None:
    values, inside = cutouts.table.sample([ship.cutout], ship.transform[None], (ship.side, ship.side))
    soft = (values[:, -1:] * inside).clamp(0, 1)
    mask = soft[0, 0] > 0.5
    alpha = functional.avg_pool2d(functional.max_pool2d(soft, 3, 1, 1), 3, 1, 1)[0]
    around = functional.max_pool2d(mask[None, None].float(), SPACE, 1, SPACE // 2)[0, 0] > 0
    clear = min(CLEAR, ship.side // 2)
    place, found = choose_place(canvas.water, torch.from_numpy(ship.candidates).to(soft.device), clear)
    index = square(place, ship.side)
    fits = found & (canvas.water[index] | ~around).all()
    here = canvas.image[:, index[0], index[1]]
    level = (here * around).sum((1, 2)) / around.sum().clamp(min=1)
    shifted = values[0, :-1] + ((level - cutouts.levels[ship.cutout]) * ship.shift)[:, None, None]
    canvas.image[:, index[0], index[1]] = torch.where(fits, here + alpha * (shifted - here), here)
    canvas.planes[cutouts.kinds[ship.cutout]][index] |= mask & fits
    if len(canvas.planes) > 1:
        canvas.ship[index] |= mask & fits
    canvas.water[index] &= ~(around & fits)
