"""Overlapping scores become finished rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoships.scene.tiling.windows import Window

BAND_ROWS = 256  # most rows of a band


@dataclass(frozen=True)
class RowBand:
    """Finished rows of a scene, over its whole width.

    row: first row, in pixels of the scene; bands follow each other without gaps.
    scores: (rows, width), 0 to 1; 0 where not valid.
    valid: (rows, width), whether the pixel holds data.
    """

    row: int
    scores: NDArray[np.float32]
    valid: NDArray[np.bool_]

    @property
    def row_end(self) -> int:
        """First row below the band."""
        return self.row + len(self.scores)


class Stitcher:
    """Blends tiles that come in rows from top to bottom, and releases rows that no later tile touches.

    Holds as many rows as the tallest tile has, whatever the scene's height.
    """

    def __init__(self, height: int, width: int) -> None:
        self._scene = Window(0, 0, height, width)
        self._row = 0  # first row not yet released, and first row of the buffers
        self._scores = np.zeros((0, width), np.float32)
        self._valid = np.zeros((0, width), np.bool_)

    def add(
        self, window: Window, scores: NDArray[np.float32], valid: NDArray[np.bool_], weights: NDArray[np.float32]
    ) -> Iterator[RowBand]:
        """Add a tile and yield the rows that it completes.

        window: the tile's place; it may hang over the scene's edges.
        scores, valid, weights: (height, width) of the window. Over all tiles the weights of a pixel
        sum to one; a tile that holds no data may be left out.

        Raises ValueError for a tile that comes after a lower one.
        """
        weighty = np.flatnonzero(weights.any(axis=1))
        first, last = (int(weighty[0]), int(weighty[-1])) if weighty.size else (0, -1)
        top = max(0, window.row + first)
        if top < self._row:
            raise ValueError(f"tiles must come from top to bottom: row {top} was released, up to row {self._row}")
        yield from self._release(min(top, self._scene.row_end))
        left = Window(self._row, 0, self._scene.height - self._row, self._scene.width)  # rows not yet released
        counting = Window(window.row + first, window.column, last + 1 - first, window.width)
        inside = counting.intersection(left)
        if inside.empty:
            return
        self._grow(inside.row_end)
        source = inside.within(window)
        target = inside.within(self._buffer)
        self._scores[target] += scores[source] * weights[source]
        self._valid[target] |= valid[source]

    def finish(self) -> Iterator[RowBand]:
        """Yield the rows that are left."""
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


def _shift(rows: NDArray[np.generic], count: int) -> None:
    """Move rows up by `count`, in place, and clear those that become free."""
    for start in range(0, len(rows) - count, count):  # in steps that do not overlap, so that numpy makes no copy
        stop = min(start + count, len(rows) - count)
        rows[start:stop] = rows[start + count : stop + count]
    rows[len(rows) - count :] = 0


class OverlapWeights:
    """Blending weights for windows of any layout: tents that are scaled to sum to one on every pixel.

    A `TilePlan` knows its weights in closed form; this serves windows that somebody else has laid out.

    windows: all windows of the run.
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._boxes = [shapely.box(w.column, w.row, w.column_end, w.row_end) for w in windows]
        self._tree = shapely.STRtree(self._boxes)

    def of(self, window: Window) -> NDArray[np.float32]:
        """Weights of one of the windows, (height, width)."""
        total = np.zeros(window.shape, np.float32)
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        for index in self._tree.query(box):
            other = self._windows[index]
            common = window.intersection(other)
            if not common.empty:
                total[common.within(window)] += _tent(other)[common.within(other)]
        return _tent(window) / total


def _tent(window: Window) -> NDArray[np.float32]:
    """Height 1 at the window's edges, growing by 1 a pixel towards its middle along both axes."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32) + 1 for n in window.shape)
    return rows[:, None] * columns
