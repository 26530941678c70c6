"""Synthetic piers: rectangles of a crop's land on its water, labelled as background.

Long thin objects in the water are the most frequent false alarms, and a few harbours show few of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.config.augment import PastePiers
from geoships.training.augment.canvas import Canvas, choose_place, square

CANDIDATES = 32  # random places that are tried, on land and on water
CLEAR = 3  # pixels of water around the centre of a pier


@dataclass(frozen=True)
class PierPaste:
    """One pier to paste.

    Attributes:
        length: Pixels along the pier.
        width: Pixels across it.
        angle: Rotation in radians.
        sources: (n, 2) rows and columns of the crop: places of land to take its texture from.
        targets: (n, 2) rows and columns of the crop: places for its centre.
    """

    length: int
    width: int
    angle: float
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def side(self) -> int:
        """Pixels along a side of the square that it needs, odd."""
        return math.ceil(math.hypot(self.length, self.width)) | 1


def draw_pier(step: PastePiers | None, size: int, rng: np.random.Generator) -> PierPaste | None:
    """Draw the pier that is to be pasted onto a crop of `size` pixels; None: no pier."""
    if step is None or rng.random() >= step.p:
        return None
    length, width = (int(rng.integers(low, high + 1)) for low, high in (step.length, step.width))
    half = (math.ceil(math.hypot(length, width)) | 1) // 2
    if 2 * half >= size:
        return None
    sources, targets = (rng.integers(half, size - half, (CANDIDATES, 2)) for _ in range(2))
    return PierPaste(length, width, float(rng.uniform(0, math.pi)), sources, targets)


def paste_pier(canvas: Canvas, pier: PierPaste) -> None:
    """Paste a pier; nothing happens where there is no land, no water, or a ship in the way."""
    device, side = canvas.image.device, pier.side
    source, on_land = choose_place(canvas.land, torch.from_numpy(pier.sources).to(device), 0)
    target, on_water = choose_place(canvas.water, torch.from_numpy(pier.targets).to(device), min(CLEAR, side // 2))
    steps = torch.arange(side, device=device, dtype=torch.float32) - side // 2
    along = steps[:, None] * math.sin(pier.angle) + steps * math.cos(pier.angle)
    across = steps[:, None] * math.cos(pier.angle) - steps * math.sin(pier.angle)
    mask = (along.abs() <= pier.length / 2) & (across.abs() <= pier.width / 2)
    taken, put = square(source, side), square(target, side)
    ships = (mask & (canvas.ship[taken] | canvas.ship[put])).any()
    mask &= on_land & on_water & ~ships
    here = canvas.image[:, put[0], put[1]]
    canvas.image[:, put[0], put[1]] = torch.where(mask, canvas.image[:, taken[0], taken[1]], here)
    canvas.water[put] &= ~mask
