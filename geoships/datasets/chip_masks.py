"""Weak masks of chips that are centred on one ship: GrabCut, then the convex hull along the ship's axis.

1. Initialisation: pixels whose colour differs from the median colour of the chip's border (CIELAB, in units of the
   border's median absolute deviation) by more than Otsu's threshold, and that are connected to the centre.
2. GrabCut (Rother, Kolmogorov and Blake 2004) on the chip at three times its size: Gaussian mixtures model the colours
   of ship and background, and a graph cut separates them.
3. The region nearest to the centre, and regions inside its minimum-area rectangle after lengthening, such as a bridge
   behind dark holds. The mask is their convex hull: ships are nearly convex, whatever the colours of their decks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RGB = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Distances are from the centre, as fractions of the chip's side.
ZOOM = 3  # GrabCut runs on an enlarged chip, because hulls are only a few pixels wide
ITERATIONS = 5
CENTRE = 1 / 8  # the ship covers part of this radius
BORDER = 0.44  # pixels farther away are background, for the colour statistics
MAX_INITIAL, MAX_SHIP = 0.5, 0.62  # ship pixels lie within: in the initialisation, and in GrabCut
MIN_DEVIATION = 2.0  # minimum colour distance of an initial ship pixel, in deviations of the border
LENGTHEN, WIDEN = 1.6, 1.15  # factors on the main region's rectangle, in which other regions of the ship lie
MIN_INSIDE = 0.8  # minimum fraction of a region's pixels inside that rectangle

_EIGHT = np.ones((3, 3), np.bool_)


def segment_ship(rgb: RGB) -> Mask:
    """Segment the ship in the centre of a chip.

    Args:
        rgb: (rows, columns, 3) uint8; red, green and blue; at least 16 pixels per side.

    Returns:
        (rows, columns), True for ship; all False where GrabCut finds none.
    """
    rows, columns = rgb.shape[:2]
    row, column = np.mgrid[:rows, :columns].astype(np.float32)
    distance = np.hypot(row - (rows - 1) / 2, column - (columns - 1) / 2) / min(rows, columns)
    ship = _grab_cut(rgb, _initial_labels(rgb, distance))
    regions, count = ndimage.label(cv2.morphologyEx(ship, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), _EIGHT)
    if not count:
        return np.zeros((rows, columns), np.bool_)
    centrality = ndimage.sum(np.exp(-((distance * 5) ** 2)), regions, range(1, count + 1))
    return _convex_hull(_join_along_axis(regions, 1 + int(np.argmax(centrality))))


def _initial_labels(rgb: RGB, distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return GrabCut's initial labels (rows, columns): certain or probable ship or background."""
    deviation = _colour_deviation(rgb, distance > BORDER)
    inner = distance < BORDER + 0.04
    otsu, _ = cv2.threshold(np.clip(deviation[inner] * 10, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    regions, _ = ndimage.label((deviation >= max(otsu / 10, MIN_DEVIATION)) & (distance < MAX_INITIAL), _EIGHT)
    centre = distance < CENTRE
    ship = np.isin(regions, np.unique(regions[centre & (regions > 0)]))
    if not ship.any():
        ship = distance < CENTRE / 2
    labels = np.where(ship, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    core = ndimage.binary_erosion(ship, _EIGHT) & centre
    labels[core if core.any() else distance < CENTRE / 4] = cv2.GC_FGD
    labels[distance > MAX_SHIP] = cv2.GC_BGD
    return labels


def _colour_deviation(rgb: RGB, border: Mask) -> NDArray[np.float32]:
    """Return the colour distance of each pixel from the border's median, in deviations of the border."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    median = np.median(lab[border], axis=0)
    spread = 1.48 * np.median(np.abs(lab[border] - median), axis=0) + 2  # 1.48: MAD to standard deviation; 2: rounding
    deviation = np.sqrt((((lab - median) / spread) ** 2).mean(axis=-1))
    return np.asarray(cv2.GaussianBlur(deviation.astype(np.float32), (0, 0), 0.8), np.float32)


def _grab_cut(rgb: RGB, initial: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 1 where GrabCut labels ship, otherwise 0."""
    rows, columns = initial.shape
    size = (columns * ZOOM, rows * ZOOM)
    labels = cv2.resize(initial, size, interpolation=cv2.INTER_NEAREST)
    cv2.setRNGSeed(0)  # its mixtures start with k-means from random centres
    large = cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    unused_rectangle = (0, 0, 1, 1)
    cv2.grabCut(large, labels, unused_rectangle, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    ship = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return (cv2.resize(ship, (columns, rows), interpolation=cv2.INTER_AREA) >= 0.5).astype(np.uint8)


def _join_along_axis(regions: NDArray[np.integer], main: int) -> Mask:
    """Return the main region and the regions that lie along its axis."""
    (x, y), (width, height), angle = cv2.minAreaRect(np.argwhere(regions == main)[:, ::-1].astype(np.float32))
    factors = (LENGTHEN, WIDEN) if width > height else (WIDEN, LENGTHEN)
    corners = cv2.boxPoints(((x, y), ((width + 1) * factors[0], (height + 1) * factors[1]), angle))
    rectangle = np.zeros(regions.shape, np.uint8)
    cv2.fillConvexPoly(rectangle, np.round(corners).astype(np.int32), 1)
    sizes = np.bincount(regions.ravel())
    inside = np.bincount(regions[rectangle > 0], minlength=len(sizes))
    along = np.flatnonzero(inside >= MIN_INSIDE * sizes)
    ship: Mask = (regions == main) | (np.isin(regions, along) & (regions > 0))
    return ship


def _convex_hull(mask: Mask) -> Mask:
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return np.asarray(filled > 0)
