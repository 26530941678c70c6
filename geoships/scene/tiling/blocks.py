"""Blocks of a scene, decoded once and ahead of need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from geoships.scene.tiling.windows import Window, paste

LOOKAHEAD_BYTES = 16 << 20
WORTH = 4  # a block is cut where at least such a part of it goes, so that all cuts of it copy few times its size


@dataclass(frozen=True)
class Pixels:
    """Decoded pixels of a window.

    values: (bands, rows, columns), as stored in the file.
    valid: (rows, columns), whether the pixel holds data.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]

    def below(self, row: int) -> Pixels:
        """A copy of the rows from `row` on."""
        return Pixels(self.values[:, row:].copy(), self.valid[row:].copy())


@dataclass(frozen=True)
class BlockGrid:
    """Regular blocks over a scene; those at the lower and right edge are cut.

    height, width: pixels of the scene. block_height, block_width: pixels of a block.
    """

    height: int
    width: int
    block_height: int
    block_width: int

    def touched(self, window: Window) -> Iterator[tuple[int, int]]:
        """Places (row, column) in the grid of the blocks that a window inside the scene touches.

        >>> list(BlockGrid(100, 100, 64, 64).touched(Window(10, 60, 10, 10)))
        [(0, 0), (0, 1)]
        """
        for row in range(window.row // self.block_height, -(-window.row_end // self.block_height)):
            for column in range(window.column // self.block_width, -(-window.column_end // self.block_width)):
                yield row, column

    def window(self, place: tuple[int, int]) -> Window:
        """Window of the block at a place of the grid."""
        row, column = place[0] * self.block_height, place[1] * self.block_width
        return Window(row, column, self.block_height, self.block_width).intersection(
            Window(0, 0, self.height, self.width)
        )


def block_grid(height: int, width: int, file_block: tuple[int, int]) -> BlockGrid:
    """Group a file's own blocks into blocks of about 256 rows by 512 columns.

    A file block of more than 1024 rows is read in slices of 1024: such files (one strip, JPEG 2000
    without tiles) are decoded by rows inside GDAL.

    >>> block_grid(4000, 5000, (1, 5000))
    BlockGrid(height=4000, width=5000, block_height=256, block_width=5000)
    >>> block_grid(4000, 5000, (100, 100))
    BlockGrid(height=4000, width=5000, block_height=300, block_width=600)
    """
    rows = min(file_block[0], 1024)
    return BlockGrid(height, width, rows * -(-256 // rows), file_block[1] * -(-512 // file_block[1]))


class BlockCache:
    """Serves the windows of a run, decoding every block once, in threads, shortly before its need.

    A block is dropped as soon as every window that touches it was released, and its upper rows, where that is worth a
    copy of the others, once only lower windows are left.

    decode: reads one window inside the scene; called from several threads.
    windows: all windows of the run, inside the scene, in the order of their use.
    bytes_per_pixel: memory of one decoded pixel with all its bands.
    """

    def __init__(
        self,
        decode: Callable[[Window], Pixels],
        grid: BlockGrid,
        windows: Iterable[Window],
        *,
        threads: int,
        bytes_per_pixel: int,
    ) -> None:
        self._decode = decode
        self._grid = grid
        self._uses: dict[tuple[int, int], Counter[int]] = {}  # windows that still need a block, by their first row
        for window in windows:
            for place in grid.touched(window):
                self._uses.setdefault(place, Counter())[window.row] += 1
        self._order = list(self._uses)
        self._rank = {place: rank for rank, place in enumerate(self._order)}
        self._submitted = 0  # blocks of the order that were handed to the threads
        self._ahead = max(2 * threads, LOOKAHEAD_BYTES // (grid.block_height * grid.block_width * bytes_per_pixel))
        self._blocks: dict[tuple[int, int], Future[Pixels]] = {}
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __enter__(self) -> BlockCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def fetch(self, window: Window) -> Pixels:
        """Pixels of one of the run's windows; waits for blocks that are not yet decoded."""
        places = list(self._grid.touched(window))
        with self._lock:
            self._submit(max(self._rank[place] for place in places) + 1 + self._ahead)
            blocks = [self._blocks[place] for place in places]
        result: Pixels | None = None
        for place, future in zip(places, blocks, strict=True):
            block = future.result()
            if result is None:
                values = np.empty((block.values.shape[0], *window.shape), block.values.dtype)
                result = Pixels(values, np.empty(window.shape, np.bool_))
            held = self._held(place, block)
            paste(result.values, window, block.values, held)
            paste(result.valid, window, block.valid, held)
        assert result is not None, "a window of the run holds at least one pixel"
        return result

    def release(self, window: Window) -> None:
        """Give up one use of a window that was fetched, so that rows without further uses are dropped."""
        with self._lock:
            for place in self._grid.touched(window):
                uses = self._uses[place]
                uses[window.row] -= 1
                if not uses[window.row]:
                    del uses[window.row]
                    self._drop(place, min(uses, default=self._grid.height))

    def _held(self, place: tuple[int, int], block: Pixels) -> Window:
        """What is left of a block: its lower rows."""
        whole = self._grid.window(place)
        rows = len(block.valid)
        return Window(whole.row_end - rows, whole.column, rows, whole.width)

    def _drop(self, place: tuple[int, int], row: int) -> None:
        """Forget the rows of a block above a row of the scene."""
        future = self._blocks.pop(place, None)
        if future is None or row >= self._grid.window(place).row_end:
            return
        block = future.result()
        above = row - self._held(place, block).row
        self._blocks[place] = _done(block.below(above)) if WORTH * above >= len(block.valid) else future

    def _submit(self, until: int) -> None:
        for rank in range(self._submitted, min(until, len(self._order))):
            place = self._order[rank]
            if self._uses[place]:
                self._blocks[place] = self._pool.submit(self._decode, self._grid.window(place))
            self._submitted = rank + 1


def _done(block: Pixels) -> Future[Pixels]:
    future: Future[Pixels] = Future()
    future.set_result(block)
    return future
