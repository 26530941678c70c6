"""Blend the scores of overlapping tiles into row bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.scene.tiling.windows import Window

BAND_ROWS = 256  # maximum number of rows of a row band


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
    """

    def __init__(self, height: int, width: int) -> None:
        self._scene = Window(0, 0, height, width)
        self._row = 0  # first row not yet released, and first row of the buffers
        self._scores = np.zeros((0, width), np.float32)
        self._valid = np.zeros((0, width), np.bool_)

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
        weighted = np.flatnonzero(weights.any(axis=1))
        first, last = (int(weighted[0]), int(weighted[-1])) if weighted.size else (0, -1)
        top = max(0, window.row + first)
        if top < self._row:
            raise ValueError(
                f"expected tiles from top to bottom, got a tile at row {top}: rows above {self._row} are released"
            )
        yield from self._release(min(top, self._scene.row_end))
        open_rows = Window(self._row, 0, self._scene.height - self._row, self._scene.width)  # not yet released
        blended = Window(window.row + first, window.column, last + 1 - first, window.width)
        inside = blended.intersection(open_rows)
        if inside.empty:
            return
        self._grow(inside.row_end)
        source = inside.within(window)
        target = inside.within(self._buffer)
        self._scores[target] += scores[source] * weights[source]
        self._valid[target] |= valid[source]

    def finish(self) -> Iterator[RowBand]:
        """Yield the remaining row bands, after the last tile."""
        yield from self._release(self._scene.row_end)

    @property
    def _buffer(self) -> Window:
        return Window(self._row, 0, *self._scores.shape)

    def _grow(self, row_end: int) -> None:
        missing = row_end - self._buffer.row_end
        if missing > 0:
            self._scores = np.pad(self._scores, ((0, missing), (0, 0)))
            self._valid = np.pad(self._valid, ((0, missing), (0, 0)))

    def _release(self, row_end: int) -> Iterator[RowBand]:
        while self._row < row_end:
            self._grow(min(row_end, self._row + BAND_ROWS))
            rows = min(BAND_ROWS, row_end - self._row)
            scores, valid = self._scores[:rows].clip(0, 1), self._valid[:rows].copy()
            scores[~valid] = 0
            _shift(self._scores, rows)
            _shift(self._valid, rows)
            self._row += rows
            yield RowBand(self._row - rows, scores, valid)


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


def _shift(rows: NDArray[np.generic], count: int) -> None:
    """Move rows up by `count`, in place, and zero the last `count` rows."""
    for start in range(0, len(rows) - count, count):  # source and target do not overlap, so numpy makes no copy
        stop = min(start + count, len(rows) - count)
        rows[start:stop] = rows[start + count : stop + count]
    rows[len(rows) - count :] = 0


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
