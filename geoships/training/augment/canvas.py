"""A crop that things are pasted onto, and where it shows water and land."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

# Reflectance that water stays below in near infrared: enough for murky harbours, too little for quays and hazy land.
BRIGHTEST_WATER = 0.14
LEAST_PIXELS = 0.02  # share of a crop that is to be water, or land, before anything is pasted there or taken from it


@dataclass
class Canvas:
    """One crop before its radiometry is changed; pasting writes into it.

    Attributes:
        image: (bands, rows, columns) float32, reflectance.
        planes: (classes, rows, columns) bool: the objects of each class.
        ship: (rows, columns) bool: objects of any class; of one class, its plane itself.
        water: (rows, columns) bool, without ships.
        land: (rows, columns) bool, without ships.
    """

    image: torch.Tensor
    planes: torch.Tensor
    ship: torch.Tensor
    water: torch.Tensor
    land: torch.Tensor


def make_canvas(
    image: torch.Tensor, planes: torch.Tensor, bands: Sequence[str], present: Sequence[bool]
) -> Canvas | None:
    """The canvas of a crop.

    Water is where NDWI is above 0 and near infrared is dark; land is where NDWI is below 0 (McFeeters, The use of the
    Normalized Difference Water Index, 1996).

    Args:
        image: (bands, rows, columns) reflectance.
        planes: (classes, rows, columns) bool.
        bands: Common names of the image's bands.
        present: Whether the scene has each of them.

    Returns:
        The canvas; None where green or near infrared is absent, so that water cannot be told.
    """
    ndwi = water_bands(bands, present)
    if ndwi is None:
        return None
    green, infrared = image[ndwi[0]], image[ndwi[1]]
    ship = planes[0] if len(planes) == 1 else planes.any(0)
    water = (green > infrared) & (infrared < BRIGHTEST_WATER) & ~ship
    return Canvas(image, planes, ship, water, (infrared > green) & ~ship)


def water_bands(bands: Sequence[str], present: Sequence[bool]) -> tuple[int, int] | None:
    """Positions of the green and the near-infrared band; None where one of them is absent."""
    found = {name: position for position, name in enumerate(bands) if present[position]}
    infrared = found.get("nir", found.get("nir08"))
    return None if infrared is None or "green" not in found else (found["green"], infrared)


def choose_place(pixels: torch.Tensor, candidates: torch.Tensor, clear: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of some candidates that lies on chosen pixels, with those around it.

    Nothing is read back from the device.

    Args:
        pixels: (rows, columns) bool: the chosen pixels.
        candidates: (n, 2) int64: rows and columns, at least `clear` pixels from the edges.
        clear: Distance of the eight neighbours that have to be chosen pixels, too; 0: the pixel alone.

    Returns:
        The place, (2,) int64, and whether it is one, a bool tensor of no dimensions.
    """
    steps = torch.tensor([-clear, 0, clear] if clear else [0], device=pixels.device)
    rows = candidates[:, 0, None, None] + steps[:, None]
    columns = candidates[:, 1, None, None] + steps
    fits = pixels[rows, columns].flatten(1).all(1) & (pixels.float().mean() > LEAST_PIXELS)
    return candidates[fits.int().argmax()], fits.any()


def square(centre: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of a square of odd `side` around a pixel: rows (side, 1) and columns (side,)."""
    steps = torch.arange(side, device=centre.device) - side // 2
    return (centre[0] + steps)[:, None], centre[1] + steps
