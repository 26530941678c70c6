"""Split ships that touch at their necks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand
from geoships.scene.tiling.windows import Window, paste

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int32]

MAX_SIDE = 256  # rows and columns of the largest ship that is searched for necks
NECK = 0.5  # maximum width of a neck, relative to the narrower of the two parts that it joins
MIN_HALF_WIDTH = 1.5  # minimum half width of a part, in pixels
SIGMA = 0.7  # pixels; standard deviation of the Gaussian filter that removes pixel stairs from the distances
STRIP = 1 << 18  # maximum number of pixels that are searched for necks at once, unless one ship has more

_EIGHT = np.ones((3, 3), np.bool_)  # 8-connectivity
_GAP = 2  # pixels of background around a ship, so that its smoothed distances do not mix with its neighbour's
_NO_DATA = -1.0  # score of a pixel without data


class Splitter:
    """Splits whole ships where a neck joins two wide parts, given scores in row bands.

    It buffers the last MAX_SIDE rows of the scores. Each ship is split in its own window, so the result does not
    depend on the row bands.

    Args:
        width: Columns of the scene.
    """

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((0, width), np.float32)  # the last rows of the previous row bands
        self._end = 0  # first row below them

    def split(self, ships: Iterable[Ship], threshold: float, band: RowBand | None = None) -> list[Ship]:
        """Split ships at their necks.

        Args:
            ships: Ships that a ShipBuilder returned for `band`, or at the end of the scene.
            threshold: Of that ShipBuilder: the minimum score of a ship pixel.
            band: The row band; None at the end of the scene.

        Returns:
            The parts of the ships; a ship without a neck is unchanged.
        """
        ships = list(ships)
        split = [[ship] for ship in ships]
        windows = {number: _window(ships[number]) for number in np.flatnonzero(_may_have_neck(ships)).tolist()}
        end = self._end if band is None else -1  # height of the scene, at its end
        for strip in _strips(windows):
            scores = [self._cut(windows[number], band) for number in strip]
            masks = [_mask(cut >= threshold, ships[number]) for number, cut in zip(strip, scores, strict=True)]
            for number, cut, parts in zip(strip, scores, necked_parts(masks), strict=True):
                if parts is not None:
                    split[number] = list(self._parts(cut, parts, windows[number], end))
        return [ship for parts in split for ship in parts]

    def remember(self, band: RowBand) -> None:
        """Buffer the last rows of a row band; call it for each band, after its ships are split."""
        tail = _scores(RowBand(band.row, band.scores[-MAX_SIDE:], band.valid[-MAX_SIDE:]))
        surplus = max(0, len(self._rows) + len(tail) - MAX_SIDE)
        # Sliced before they are joined: a slice of the joined rows would keep all of them in memory.
        self._rows = np.concatenate((self._rows[surplus:], tail))
        self._end = band.row + band.scores.shape[0]

    def _parts(self, scores: Floats, parts: Labels, window: Window, end: int) -> Iterator[Ship]:
        for number in range(1, int(parts.max()) + 1):
            yield from self._part(scores, parts == number, window, end)

    def _part(self, scores: Floats, inside: Bools, window: Window, end: int) -> Iterator[Ship]:
        """The pixels of one part as ships."""
        builder = ShipBuilder(window.width, 0.0)
        offset = np.array((window.column, window.row))
        ships = [*builder.feed(RowBand(0, scores, inside)), *builder.finish()]
        for ship in ships:
            polygon = shapely.transform(ship.polygon, lambda xy: xy + offset)
            left, top, right, bottom = polygon.bounds
            border = min(left, top) == 0 or right == self._rows.shape[1] or bottom == end
            yield replace(ship, polygon=polygon, on_border=border)

    def _cut(self, window: Window, band: RowBand | None) -> Floats:
        """Scores of a window, from the buffered rows and the row band."""
        cut = np.full(window.shape, _NO_DATA, np.float32)
        height, width = self._rows.shape
        paste(cut, window, self._rows, Window(self._end - height, 0, height, width))
        if band is not None:
            rows = slice(max(0, window.row - band.row), window.row_end - band.row)
            columns = slice(window.column, window.column_end)
            new = _scores(RowBand(0, band.scores[rows, columns], band.valid[rows, columns]))
            paste(cut, window, new, Window(band.row + rows.start, window.column, *new.shape))
        return cut


def necked_parts(masks: Sequence[Bools]) -> list[Labels | None]:
    """Label the parts that necks join, in each of several connected sets of pixels.

    A watershed (Vincent and Soille 1991, Watersheds in digital spaces) of the distance to the outline, whose markers
    are the maxima that remain when each is lowered to NECK of its height: the neck between two parts is at most NECK
    times as wide as the narrower part. That is the h-maxima transform (Soille 2003, Morphological Image Analysis,
    section 6.3.4) of the logarithm of the distance, so it does not depend on the pixel size. Holes are filled first,
    so a ring has no neck. All sets are processed in one array, because for small sets the calls cost more than the
    pixels.

    Args:
        masks: Connected sets of pixels, each (rows, columns).

    Returns:
        For each mask the labels of its parts, from 1, and 0 outside, (rows, columns); None where it has no neck.
    """
    from scipy import ndimage
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    edges = np.cumsum([0, *(mask.shape[1] + 2 * _GAP for mask in masks)])
    padded = np.zeros((max(len(mask) for mask in masks) + 2 * _GAP, edges[-1]), np.bool_)
    slices = [
        (slice(_GAP, _GAP + len(mask)), slice(left + _GAP, right - _GAP))
        for mask, (left, right) in zip(masks, pairwise(edges.tolist()), strict=True)
    ]
    for mask, part in zip(masks, slices, strict=True):
        padded[part] = mask
    filled = ndimage.binary_fill_holes(padded)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(filled), SIGMA)
    height = np.log(np.where(filled, np.maximum(distance, 0.1), 0.1))
    lowered = reconstruction(height + math.log(NECK), height, footprint=_EIGHT)
    # Rounded: equal heights are sums in another order, so they differ in their last digits.
    tops, count = ndimage.label(local_maxima(lowered.round(6), connectivity=2) & padded, _EIGHT)
    wide = 1 + np.flatnonzero(ndimage.maximum(distance, tops, range(1, count + 1)) >= MIN_HALF_WIDTH)
    marked = np.isin(tops, wide)

    def parts(part: tuple[slice, slice]) -> Labels | None:
        markers, count = ndimage.label(marked[part], _EIGHT)
        if count < 2:
            return None
        return np.asarray(watershed(-distance[part], markers, connectivity=2, mask=padded[part]), np.int32)

    return [parts(part) for part in slices]


def _strips(windows: Mapping[int, Window]) -> Iterator[list[int]]:
    """Group windows of similar height that fit side by side into an array of STRIP pixels; yields their numbers."""
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
    """Whether each ship is at most MAX_SIDE long, as large as two parts of the minimum width, and not convex."""
    polygons = np.array([ship.polygon for ship in ships], np.object_)
    left, top, right, bottom = shapely.bounds(polygons).reshape(-1, 4).T
    small = np.maximum(right - left, bottom - top) <= MAX_SIDE
    large = np.array([ship.pixels for ship in ships]) >= 2 * math.pi * MIN_HALF_WIDTH**2
    return np.asarray(small & large & (shapely.area(polygons) < shapely.area(shapely.convex_hull(polygons))))


def _mask(mask: Bools, ship: Ship) -> Bools:
    """The pixels of a ship among all mask pixels of its window."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask, _EIGHT)
    row, column = ship.first_pixel
    window = _window(ship)
    return np.asarray(labels == labels[row - window.row, column - window.column])


def _scores(band: RowBand) -> Floats:
    """Scores of a row band, _NO_DATA where there is no data."""
    if band.valid.all():
        return band.scores
    return np.where(band.valid, band.scores, np.float32(_NO_DATA))
