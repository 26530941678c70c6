"""The surroundings of one ship in all bands, in units of their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN = 3  # pixels around an outline that belong to the ship: its rim, and where the other bands see it
LEAST_SEA = 40  # pixels around a ship from which the noise is known
_MAD = 1.4826  # standard deviations of a median absolute deviation


@dataclass(frozen=True)
class Chip:
    """A ship and its surroundings.

    Attributes:
        signal: (bands, rows, columns): reflectance less that of the sea around, divided by the noise; 0 where there is
            no data, and at other ships.
        ship: (rows, columns), pixels of the ship and its rim.
        usable: (rows, columns), pixels that have data and are no other ship.
    """

    signal: Floats
    ship: Bools
    usable: Bools


def make_chip(values: Floats, valid: Bools, ship: Bools, others: Bools) -> Chip | None:
    """Prepare the surroundings of a ship.

    Args:
        values: (bands, rows, columns), reflectance.
        valid: (rows, columns), pixels with data.
        ship: (rows, columns), pixels of the ship's outline.
        others: (rows, columns), pixels of other ships.

    Returns:
        The chip; None where too little sea around has data.
    """
    near = ndimage.binary_dilation(ship, iterations=MARGIN)
    others = ndimage.binary_dilation(others, iterations=2) & ~ndimage.binary_dilation(ship, iterations=1)
    usable = valid & ~others
    sea = usable & ~ndimage.binary_dilation(ship, iterations=MARGIN + 2)
    if sea.sum() < LEAST_SEA or not (ship & usable).any():
        return None
    around = values[:, sea]
    level = np.median(around, axis=1)
    noise = _MAD * np.median(np.abs(around - level[:, None]), axis=1)
    noise = np.maximum(noise, 1e-3 * np.maximum(np.abs(values[:, ship & usable]).max(axis=1), 1e-9))
    signal = (values - level[:, None, None]) / noise[:, None, None]
    return Chip(np.where(usable, signal, 0.0), near & usable, usable)
