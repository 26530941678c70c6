"""Ships that touch come apart at their necks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand
from geoships.scene.tiling.windows import Window, paste

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int32]

REACH = 256  # rows and columns of the largest ship that is looked at
NECK = 0.5  # a neck is at most this part of the lesser width of the two ships that it joins
LEAST = 1.5  # half the width in pixels from which on a part may be a ship
SMOOTH = 0.7  # pixels; standard deviation of the Gaussian that takes the stairs out of the distances
STRIP = 1 << 18  # most pixels that are searched for necks at once, unless one ship takes more

_EIGHT = np.ones((3, 3), np.bool_)  # pixels touch by an edge or by a corner
_GAP = 2  # pixels of background around a ship, which keep distances and their smoothing apart from its neighbour's
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
        ships = list(ships)
        found = [[ship] for ship in ships]
        windows = {number: _window(ships[number]) for number in np.flatnonzero(_may_have_neck(ships)).tolist()}
        end = self._end if band is None else -1  # where the scene ends, if it has
        for strip in _strips(windows):
            scores = [self._cut(windows[number], band) for number in strip]
            masks = [_mask(cut >= threshold, ships[number]) for number, cut in zip(strip, scores, strict=True)]
            for number, cut, parts in zip(strip, scores, necked_parts(masks), strict=True):
                if parts is not None:
                    found[number] = list(self._parts(cut, parts, windows[number], end))
        return [ship for parts in found for ship in parts]

    def remember(self, band: RowBand) -> None:
        """Keep what later ships may need of a band; to be called with each one after its ships were split."""
        tail = _scores(RowBand(band.row, band.scores[-REACH:], band.valid[-REACH:]))
        surplus = max(0, len(self._rows) + len(tail) - REACH)
        self._rows = np.concatenate((self._rows[surplus:], tail))  # a slice of both would keep all of them in memory
        self._end = band.row + band.scores.shape[0]

    def _parts(self, scores: Floats, parts: Labels, window: Window, end: int) -> Iterator[Ship]:
        for number in range(1, int(parts.max()) + 1):
            yield from self._part(scores, parts == number, window, end)

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


def necked_parts(masks: Sequence[Bools]) -> list[Labels | None]:
    """Number the parts that necks join, from 1, in each of several connected sets of pixels; 0: none of its pixels.

    None stands for a set that has no neck. The sets are searched side by side in one array, as for small ones the calls
    cost more than the pixels.

    Watershed (Vincent and Soille 1991) of the distance to the outline, from those of its maxima that stay when each
    is lowered to NECK of its height: of two neighbouring parts, the neck between them is at most NECK times as wide as
    the narrower one. That is the h-maxima transform (Soille 2003, Morphological Image Analysis, section 6.3.4) of
    the logarithm, so that it holds for any pixel size. Holes count as pixels, so that a ring has no neck.
    """
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    edges = np.cumsum([0, *(mask.shape[1] + 2 * _GAP for mask in masks)])
    padded = np.zeros((max(len(mask) for mask in masks) + 2 * _GAP, edges[-1]), np.bool_)
    places = [
        (slice(_GAP, _GAP + len(mask)), slice(left + _GAP, right - _GAP))
        for mask, (left, right) in zip(masks, pairwise(edges.tolist()), strict=True)
    ]
    for mask, place in zip(masks, places, strict=True):
        padded[place] = mask
    filled = ndimage.binary_fill_holes(padded)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(filled), SMOOTH)
    height = np.log(np.where(filled, np.maximum(distance, 0.1), 0.1))
    lowered = reconstruction(height + math.log(NECK), height, footprint=_EIGHT)
    # Sums of the same heights in another order differ in their last digits.
    tops, count = ndimage.label(local_maxima(lowered.round(6), connectivity=2) & padded, _EIGHT)
    wide = 1 + np.flatnonzero(ndimage.maximum(distance, tops, range(1, count + 1)) >= LEAST)
    seeded = np.isin(tops, wide)

    def parts(place: tuple[slice, slice]) -> Labels | None:
        seeds, count = ndimage.label(seeded[place], _EIGHT)
        if count < 2:
            return None
        return np.asarray(watershed(-distance[place], seeds, connectivity=2, mask=padded[place]), np.int32)

    return [parts(place) for place in places]


def _strips(windows: Mapping[int, Window]) -> Iterator[list[int]]:
    """Numbers of the windows that go side by side into one array of STRIP pixels: those of like height together."""
    strip: list[int] = []
    width = 0
    for number, window in sorted(windows.items(), key=lambda item: item[1].height):
        if strip and (window.height + 2 * _GAP) * (width + window.width + 2 * _GAP) > STRIP:
            yield strip
            strip, width = [], 0
        strip.append(number)
        width += window.width + 2 * _GAP
    if strip:
        yield strip


def _window(ship: Ship) -> Window:
    left, top, right, bottom = (int(side) for side in ship.polygon.bounds)
    return Window(top, left, bottom - top, right - left)


def _may_have_neck(ships: Sequence[Ship]) -> Bools:
    """Whether each ship is within REACH, two of the least width fit into it, and its outline is not convex."""
    polygons = np.array([ship.polygon for ship in ships], np.object_)
    left, top, right, bottom = shapely.bounds(polygons).reshape(-1, 4).T
    near = np.maximum(right - left, bottom - top) <= REACH
    large = np.array([ship.pixels for ship in ships]) >= 2 * math.pi * LEAST**2
    return np.asarray(near & large & (shapely.area(polygons) < shapely.area(shapely.convex_hull(polygons))))


def _mask(found: Bools, ship: Ship) -> Bools:
    """The pixels of a ship among all that were found in its window."""
    labels, _ = ndimage.label(found, _EIGHT)
    row, column = ship.first_pixel
    window = _window(ship)
    return np.asarray(labels == labels[row - window.row, column - window.column])


def _scores(band: RowBand) -> Floats:
    """Scores with _NONE where there is no data."""
    if band.valid.all():
        return band.scores
    return np.where(band.valid, band.scores, np.float32(_NONE))
