"""Blend the scores of overlapping tiles into row bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.scene.tiling.windows import Window

BAND_ROWS = 256  # maximum number of rows of a row band
SLAB_BYTES = 64 << 20  # of scores that are held together; wider scenes have lower row bands
MIN_SLAB_ROWS = 16


@dataclass(frozen=True)
class RowBand:
    """Finished rows of a scene, over its whole width. Row bands follow each other without gaps.

    Attributes:
        row: First row, in pixels of the scene.
        scores: Scores, (rows, width), 0 to 1; 0 where not valid.
        valid: Whether the pixel has data, (rows, width).
    """

    row: int
    scores: NDArray[np.float32]
    valid: NDArray[np.bool_]

    @property
    def row_end(self) -> int:
        """First row below the row band."""
        return self.row + len(self.scores)


class Stitcher:
    """Blends tiles that come from top to bottom, and releases the rows that no later tile overlaps.

    It holds as many rows as the tallest tile has, whatever the height of the scene.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        first_row: First row that is wanted; what tiles have above it is left out.
        partial: Whether more is to be added to the rows elsewhere: then they are released as they are, with sums of
            less than all weights, and scores where there is no data.
    """

    def __init__(self, height: int, width: int, *, first_row: int = 0, partial: bool = False) -> None:
        self._scene = Window(0, 0, height, width)
        self._first, self._partial = first_row, partial
        self._row = first_row  # first row not yet released
        self._slab_rows = max(MIN_SLAB_ROWS, min(BAND_ROWS, SLAB_BYTES // (4 * width)))
        self._slabs: dict[int, _Slab] = {}  # by number; those that no tile reached do not exist

    def add(
        self, window: Window, scores: NDArray[np.float32], valid: NDArray[np.bool_], weights: NDArray[np.float32]
    ) -> Iterator[RowBand]:
        """Add a tile and yield the row bands above it, which no later tile overlaps.

        Args:
            window: Window of the tile; it may extend beyond the edges of the scene.
            scores: Scores of the tile, (height, width), 0 to 1.
            valid: Whether the pixels have data, (height, width).
            weights: Blending weights, (height, width). The weights of a pixel sum to one over all tiles; a tile
                without data may be left out.

        Yields:
            Finished row bands, from top to bottom.

        Raises:
            ValueError: For a tile that comes after a lower one.
        """
        first, _ = weighted_rows(weights)
        top = max(self._first, window.row + first)
        if top < self._row:
            raise ValueError(
                f"expected tiles from top to bottom, got a tile at row {top}: rows above {self._row} are released"
            )
        yield from self.release(top)
        self.blend(window, scores, valid, weights)

    def blend(
        self, window: Window, scores: NDArray[np.float32], valid: NDArray[np.bool_], weights: NDArray[np.float32]
    ) -> None:
        """Add a tile without releasing any rows; see `add`. What it has above released rows is left out."""
        first, last = weighted_rows(weights)
        open_rows = Window(self._row, 0, self._scene.height - self._row, self._scene.width)  # not yet released
        blended = Window(window.row + first, window.column, last + 1 - first, window.width)
        inside = blended.intersection(open_rows)
        if inside.empty:
            return
        for number in range(inside.row // self._slab_rows, -(-inside.row_end // self._slab_rows)):
            slab = self._slabs.setdefault(number, _Slab.of(self._slab_window(number)))
            part = inside.intersection(slab.window)
            source, target = part.within(window), part.within(slab.window)
            slab.scores[target] += scores[source] * weights[source]
            slab.valid[target] |= valid[source]

    def finish(self) -> Iterator[RowBand]:
        """Yield the remaining row bands, after the last tile."""
        yield from self.release(self._scene.row_end)

    def _slab_window(self, number: int) -> Window:
        return Window(number * self._slab_rows, 0, self._slab_rows, self._scene.width).intersection(self._scene)

    def release(self, row_end: int) -> Iterator[RowBand]:
        """Yield the row bands above a row, which is moved into the scene; those that were not released before."""
        row_end = min(row_end, self._scene.row_end)
        while self._row < row_end:
            number = self._row // self._slab_rows
            window = self._slab_window(number)
            row, stop = self._row, min(row_end, window.row_end)
            slab = self._slabs.pop(number, None) if stop == window.row_end else self._slabs.get(number)
            self._row = stop
            if slab is None:
                yield RowBand(row, *_nothing(stop - row, self._scene.width))
            else:
                yield RowBand(row, *(slab.sums(row, stop) if self._partial else slab.rows(row, stop)))


@dataclass(frozen=True)
class _Slab:
    """Some rows of the scene, over its whole width, that tiles are added to.

    The system gives memory to the columns that tiles reach, as the arrays begin as zeros that nobody touched.
    """

    window: Window
    scores: NDArray[np.float32]
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, window: Window) -> _Slab:
        return cls(window, *_nothing(*window.shape))

    def rows(self, row: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Copies of the scores, from 0 to 1, and the validity of some rows."""
        rows = slice(row - self.window.row, stop - self.window.row)
        scores, valid = self.scores[rows].clip(0, 1), self.valid[rows].copy()
        scores[~valid] = 0
        return scores, valid

    def sums(self, row: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Copies of the sums so far, and of the validity, of some rows."""
        rows = slice(row - self.window.row, stop - self.window.row)
        return self.scores[rows].copy(), self.valid[rows].copy()


def _nothing(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores and validity of rows without data."""
    return np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.bool_)


def weighted_rows(weights: NDArray[np.float32]) -> tuple[int, int]:
    """First and last row of a tile with a weight above 0; (0, -1) where there is none.

    Args:
        weights: Of the tile, (height, width).
    """
    weighted = np.flatnonzero(weights.any(axis=1))
    return (int(weighted[0]), int(weighted[-1])) if weighted.size else (0, -1)


def in_step(parts: Sequence[Iterator[RowBand]]) -> Iterator[tuple[RowBand, ...]]:
    """Yield the row bands of several stitchers together; no row band is held while the next ones are computed.

    Args:
        parts: The row bands of each stitcher, which are the same rows in the same order.

    Yields:
        One row band of each.
    """
    while True:
        bands = [band for part in parts if (band := next(part, None)) is not None]
        if not bands:
            return
        yield _emptied(bands)


def _emptied(bands: list[RowBand]) -> tuple[RowBand, ...]:
    """The row bands of a list, which forgets them."""
    taken = tuple(bands)
    bands.clear()
    return taken


class OverlapWeights:
    """Blending weights for windows of any layout: tent functions, normalised to sum to one on every pixel.

    A `TilePlan` has its weights in closed form; this class is for windows of another sampler.

    Args:
        windows: All windows that are blended.
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._boxes = [shapely.box(w.column, w.row, w.column_end, w.row_end) for w in windows]
        self._tree = shapely.STRtree(self._boxes)

    def of(self, window: Window) -> NDArray[np.float32]:
        """Weights of one of the windows, (height, width), 0 to 1."""
        total = np.zeros(window.shape, np.float32)
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        for index in self._tree.query(box):
            other = self._windows[index]
            common = window.intersection(other)
            if not common.empty:
                total[common.within(window)] += _tent(other)[common.within(other)]
        return _tent(window) / total


def _tent(window: Window) -> NDArray[np.float32]:
    """Product of two tent functions, (height, width): 1 at the edges, growing by 1 per pixel towards the centre."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32) + 1 for n in window.shape)
    return rows[:, None] * columns
