"""Weak masks of chips that are centred on one ship: GrabCut from the centre, then the hull of what lies along its axis.

1. Start: pixels that differ from the rim's median colour (CIELAB, in units of its median absolute deviation) by more
   than Otsu's threshold, and are connected to the middle.
2. GrabCut (Rother, Kolmogorov and Blake 2004) on the chip three times as large: colours of ship and surroundings are
   modelled by Gaussian mixtures, and a cut of the pixel graph parts them.
3. The part nearest to the middle, and those parts that lie inside its least rectangle made longer: a bridge behind dark
   holds. Their convex hull: ships have no bays, whatever the colour of their decks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Picture = NDArray[np.uint8]
Bools = NDArray[np.bool_]

ZOOM = 3  # GrabCut's pixels are so much finer: hulls are a few pixels wide
ROUNDS = 5
MIDDLE = 1 / 8  # of the side: radius in which some of the ship surely lies
RIM = 0.44  # of the side: distance from the centre from which pixels are taken for surroundings
START, SURROUNDINGS = 0.5, 0.62  # of the side: the ship is started within, and lies within
LEAST = 2.0  # deviations from the rim's colour below which nothing starts as ship
LONGER, WIDER = 1.6, 1.15  # the rectangle around the ship's largest part, in which its others lie
INSIDE = 0.8  # share of a part's pixels that must lie in it

_EIGHT = np.ones((3, 3), np.bool_)


def draw_mask(picture: Picture) -> Bools:
    """The ship in the middle of a chip, (rows, columns).

    picture: (rows, columns, 3) uint8, red, green, blue, at least 16 pixels a side.
    """
    rows, columns = picture.shape[:2]
    down, across = np.mgrid[:rows, :columns].astype(np.float32)
    distance = np.hypot(down - (rows - 1) / 2, across - (columns - 1) / 2) / min(rows, columns)
    guess = _grab_cut(picture, _start(picture, distance))
    parts, count = ndimage.label(cv2.morphologyEx(guess, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), _EIGHT)
    if not count:
        return np.zeros((rows, columns), np.bool_)
    nearness = ndimage.sum(np.exp(-((distance * 5) ** 2)), parts, range(1, count + 1))
    return _hull(_along(parts, 1 + int(np.argmax(nearness))))


def _start(picture: Picture, distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """GrabCut's first guess: surely or probably ship or not, (rows, columns)."""
    strangeness = _strangeness(picture, distance > RIM)
    inner = distance < RIM + 0.04
    cut, _ = cv2.threshold(np.clip(strangeness[inner] * 10, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    parts, _ = ndimage.label((strangeness >= max(cut / 10, LEAST)) & (distance < START), _EIGHT)
    middle = distance < MIDDLE
    ship = np.isin(parts, np.unique(parts[middle & (parts > 0)]))
    if not ship.any():
        ship = distance < MIDDLE / 2
    start = np.where(ship, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    core = ndimage.binary_erosion(ship, _EIGHT) & middle
    start[core if core.any() else distance < MIDDLE / 4] = cv2.GC_FGD
    start[distance > SURROUNDINGS] = cv2.GC_BGD
    return start


def _strangeness(picture: Picture, rim: Bools) -> NDArray[np.float32]:
    """How far each pixel's colour is from that of the rim, in the rim's own deviations."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    usual = np.median(lab[rim], axis=0)
    spread = 1.48 * np.median(np.abs(lab[rim] - usual), axis=0) + 2  # 1.48: a normal deviation; 2: rounding
    away = np.sqrt((((lab - usual) / spread) ** 2).mean(axis=-1))
    return np.asarray(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 0.8), np.float32)


def _grab_cut(picture: Picture, start: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where GrabCut sees ship, else 0."""
    rows, columns = start.shape
    size = (columns * ZOOM, rows * ZOOM)
    fine = cv2.resize(start, size, interpolation=cv2.INTER_NEAREST)
    cv2.setRNGSeed(0)  # its mixtures begin with k-means from random centres
    large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(large, fine, (0, 0, 1, 1), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # the rectangle is not looked at
    ship = np.isin(fine, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return (cv2.resize(ship, (columns, rows), interpolation=cv2.INTER_AREA) >= 0.5).astype(np.uint8)


def _along(parts: NDArray[np.integer], main: int) -> Bools:
    """The main part, and those that lie along its axis."""
    (x, y), (width, height), angle = cv2.minAreaRect(np.argwhere(parts == main)[:, ::-1].astype(np.float32))
    factors = (LONGER, WIDER) if width > height else (WIDER, LONGER)
    corners = cv2.boxPoints(((x, y), ((width + 1) * factors[0], (height + 1) * factors[1]), angle))
    around = np.zeros(parts.shape, np.uint8)
    cv2.fillConvexPoly(around, np.round(corners).astype(np.int32), 1)
    sizes = np.bincount(parts.ravel())
    inside = np.bincount(parts[around > 0], minlength=len(sizes))
    kept = np.flatnonzero(inside >= INSIDE * sizes)
    whole: Bools = (parts == main) | (np.isin(parts, kept) & (parts > 0))
    return whole


def _hull(mask: Bools) -> Bools:
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return np.asarray(filled > 0)
