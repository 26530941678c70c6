"""Which end of a ship a wake trails from: lines through the hull, seen by the Radon transform of either half."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.transform import radon

from geoships.motion.chip import Bools, Chip, Floats

SPREAD = 10.0  # degrees by which a wake may lie off the ship's axis: course and heading differ, and outlines are rough
LEAST = 6.0  # times the spread of other lines, from which a line is a wake
LEAD = 3.0  # by which the one end must exceed the other
SHARE = 0.95  # of wakes found that lie behind the ship
_STEP = 2.0  # degrees between lines
_OFFSET = 2  # pixels by which a line may pass the ship's middle
_RIM = 2  # pixels around the ship that belong to no line
_LEAST_LINE = 6  # pixels
_MAD = 1.4826


@dataclass(frozen=True)
class Wake:
    """What the lines at the two ends of a ship show.

    Attributes:
        first: Strength of the strongest line at the end to which the axis points, in spreads of other lines.
        second: The same of the other end.
    """

    first: float
    second: float

    @property
    def ahead(self) -> int:
        """1: the ship sails as the axis points; -1: against it; 0: no wake at one end only."""
        stronger, weaker = max(self.first, self.second), min(self.first, self.second)
        if stronger < LEAST or stronger - weaker < LEAD:
            return 0
        return 1 if self.second > self.first else -1


def find_wake(chip: Chip, outline: Bools, axis: Floats) -> Wake:
    """Look for a wake at both ends of a ship.

    Args:
        chip: The ship and its surroundings.
        outline: (rows, columns), pixels of the ship.
        axis: Direction of the ship's axis in pixels, (column, row), of length 1.

    Returns:
        How strong the strongest line is at each end.
    """
    rows, columns = np.nonzero(outline)
    middle = np.array([columns.mean(), rows.mean()])
    size = int(min(chip.usable.shape))
    picture = np.median(chip.signal, axis=0)
    hull = ndimage.binary_dilation(outline, iterations=_RIM)
    seen = chip.usable & ~hull
    # square around the ship, whose middle is that of the transform
    centred, mask = (_centred(each, middle, size) for each in (np.where(seen, picture, 0.0), seen.astype(np.float64)))
    mask = np.where(mask > 0.5, 1.0, 0.0)
    centred = np.clip(centred, -_cap(centred, mask), _cap(centred, mask)) * mask
    y, x = np.mgrid[:size, :size] - (size // 2)
    towards = x * axis[0] + y * axis[1]
    reach = np.hypot(x, y) < size / 2 - 1
    strengths = [_line(centred, mask * reach * (towards * end > 0), axis) for end in (1, -1)]
    return Wake(*strengths)


def _cap(picture: Floats, mask: Floats) -> float:
    """Brightness above which a pixel counts no more: one other ship must not make a line."""
    values = np.abs(picture[mask > 0])
    return float(4 * _MAD * np.median(values)) if values.size else 1.0


def _centred(picture: Floats, middle: Floats, size: int) -> Floats:
    grid = np.mgrid[:size, :size] - (size // 2)
    places = [grid[0] + middle[1], grid[1] + middle[0]]
    return np.asarray(ndimage.map_coordinates(picture, places, order=1, mode="constant"))


def _line(picture: Floats, mask: Floats, axis: Floats) -> float:
    """Strength of the strongest line along the axis on one side, in spreads of the lines in other directions."""
    along = np.degrees(np.arctan2(axis[0], axis[1]))  # the transform's angle 0 sums along rows' direction (downwards)
    near = along + np.arange(-SPREAD, SPREAD + _STEP / 2, _STEP)
    far = along + np.arange(SPREAD + 8, 180 - SPREAD - 8, _STEP * 2)
    means = []
    for angles in (near, far):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pixels outside of the circle are masked already
            total = radon(picture * mask, theta=angles, circle=True)
            count = radon(mask, theta=angles, circle=True)
        offset = np.abs(np.arange(len(total)) - len(total) // 2)
        # of other directions all lines that pass within half the square serve as what the sea alone shows
        allowed = (offset <= (_OFFSET if angles is near else len(total) // 4))[:, None] & (count >= _LEAST_LINE)
        means.append((total / np.sqrt(np.maximum(count, 1)))[allowed])
    if not means[0].size or means[1].size < 20:
        return 0.0
    level = np.median(means[1])
    spread = _MAD * np.median(np.abs(means[1] - level))
    return float((np.abs(means[0] - level) / max(spread, 1e-9)).max())
