"""Ships that touch come apart at their necks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand
from geoships.scene.windows import Window, paste

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

REACH = 256  # rows and columns of the largest ship that is looked at
NECK = 0.5  # a neck is at most this part of the lesser width of the two ships that it joins
LEAST = 1.5  # half the width in pixels from which on a part may be a ship
SMOOTH = 0.7  # pixels; standard deviation of the Gaussian that takes the stairs out of the distances

_EIGHT = np.ones((3, 3), np.bool_)  # pixels touch by an edge or by a corner
_NONE = -1.0  # score of a pixel without data


class Splitter:
    """Cuts whole ships where a neck joins two wide parts, of scores that come in row bands.

    What it keeps of the scores are the last REACH rows. It looks at each ship alone, in its own window, so that bands
    leave no trace in what it gives.
    """

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((0, width), np.float32)  # the last rows of the bands before
        self._end = 0  # first row below them

    def split(self, ships: Iterable[Ship], threshold: float, band: RowBand | None = None) -> list[Ship]:
        """The parts of ships, and those that have no neck as they are.

        ships: those that a ShipBuilder of `threshold` gave for `band`, or at its finish (None).
        """
        return [part for ship in ships for part in self._split(ship, threshold, band)]

    def remember(self, band: RowBand) -> None:
        """Keep what later ships may need of a band; to be called with each one after its ships were split."""
        tail = _scores(RowBand(band.row, band.scores[-REACH:], band.valid[-REACH:]))
        surplus = max(0, len(self._rows) + len(tail) - REACH)
        self._rows = np.concatenate((self._rows[surplus:], tail))  # a slice of both would keep all of them in memory
        self._end = band.row + band.scores.shape[0]

    def _split(self, ship: Ship, threshold: float, band: RowBand | None) -> list[Ship]:
        window = _window(ship)
        if max(window.shape) > REACH or not _may_have_neck(ship):
            return [ship]
        scores = self._cut(window, band)
        labels, _ = ndimage.label(scores >= threshold, _EIGHT)
        row, column = ship.first_pixel
        parts = necked_parts(labels == labels[row - window.row, column - window.column])
        count = int(parts.max())
        if count < 2:
            return [ship]
        end = self._end if band is None else -1  # where the scene ends, if it has
        return [part for number in range(1, count + 1) for part in self._part(scores, parts == number, window, end)]

    def _part(self, scores: Floats, inside: Bools, window: Window, end: int) -> Iterator[Ship]:
        """The pixels of one part as a ship."""
        builder = ShipBuilder(window.width, 0.0)
        offset = np.array((window.column, window.row))
        found = [*builder.feed(RowBand(0, scores, inside)), *builder.finish()]
        for ship in found:
            polygon = shapely.transform(ship.polygon, lambda xy: xy + offset)
            left, top, right, bottom = polygon.bounds
            border = min(left, top) == 0 or right == self._rows.shape[1] or bottom == end
            yield replace(ship, polygon=polygon, on_border=border)

    def _cut(self, window: Window, band: RowBand | None) -> Floats:
        """The scores of a window, which lies in the kept rows and the band."""
        cut = np.full(window.shape, _NONE, np.float32)
        height, width = self._rows.shape
        paste(cut, window, self._rows, Window(self._end - height, 0, height, width))
        if band is not None:
            rows = slice(max(0, window.row - band.row), window.row_end - band.row)
            columns = slice(window.column, window.column_end)
            found = _scores(RowBand(0, band.scores[rows, columns], band.valid[rows, columns]))
            paste(cut, window, found, Window(band.row + rows.start, window.column, *found.shape))
        return cut


def necked_parts(mask: Bools) -> NDArray[np.int32]:
    """Number the parts of one connected set of pixels that necks join, from 1; 0: none of its pixels.

    Watershed (Vincent and Soille 1991) of the distance to the outline, from those of its maxima that stay when each
    is lowered to NECK of its height: of two neighbouring parts, the neck between them is at most NECK times as wide as
    the narrower one. That is the h-maxima transform (Soille 2003, Morphological Image Analysis, section 6.3.4) of
    the logarithm, so that it holds for any pixel size. Holes count as pixels, so that a ring has no neck.
    """
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    padded = np.pad(mask, 2)
    filled = ndimage.binary_fill_holes(padded)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(filled), SMOOTH)
    height = np.log(np.where(filled, np.maximum(distance, 0.1), 0.1))
    lowered = reconstruction(height + math.log(NECK), height, footprint=_EIGHT)
    # Sums of the same heights in another order differ in their last digits.
    tops, count = ndimage.label(local_maxima(lowered.round(6), connectivity=2) & padded, _EIGHT)
    wide = 1 + np.flatnonzero(ndimage.maximum(distance, tops, range(1, count + 1)) >= LEAST)
    seeds, count = ndimage.label(np.isin(tops, wide), _EIGHT)
    if count < 2:
        return mask.astype(np.int32)
    return np.asarray(watershed(-distance, seeds, connectivity=2, mask=padded)[2:-2, 2:-2], np.int32)


def _window(ship: Ship) -> Window:
    left, top, right, bottom = (int(side) for side in ship.polygon.bounds)
    return Window(top, left, bottom - top, right - left)


def _may_have_neck(ship: Ship) -> bool:
    """Whether two ships of the least width fit into it, and its outline is not convex; quick to tell."""
    if ship.pixels < 2 * math.pi * LEAST**2:
        return False
    return bool(ship.polygon.area < ship.polygon.convex_hull.area)


def _scores(band: RowBand) -> Floats:
    """Scores with _NONE where there is no data."""
    if band.valid.all():
        return band.scores
    return np.where(band.valid, band.scores, np.float32(_NONE))
