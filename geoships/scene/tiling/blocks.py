"""Blocks of a file, decoded once and ahead of use."""

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
MIN_DROPPED = 4  # rows are dropped when they are at least 1/4 of a block, which limits how often the rest is copied


@dataclass(frozen=True)
class Pixels:
    """Decoded pixels of a window.

    Attributes:
        values: Stored values, shape (bands, rows, columns).
        valid: Whether a pixel has data, shape (rows, columns).
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]

    def rows_from(self, row: int) -> Pixels:
        """Copy the rows from `row` on."""
        if not self.valid.strides[-1]:  # compact: takes no memory
            return Pixels(self.values[:, row:], self.valid[row:])
        return Pixels(self.values[:, row:].copy(), self.valid[row:].copy())

    def compact(self) -> Pixels:
        """These pixels in next to no memory if none is valid and all have one value, as in parts never written."""
        first = self.values[:1, :1, :1]
        if self.valid.any() or (self.values != first).any():
            return self
        return Pixels(np.broadcast_to(first.copy(), self.values.shape), np.broadcast_to(np.False_, self.valid.shape))


@dataclass(frozen=True)
class BlockGrid:
    """Regular grid of blocks over a scene. Blocks at the lower and right edge may be smaller.

    Attributes:
        height: Rows of the scene.
        width: Columns of the scene.
        block_height: Rows of a block.
        block_width: Columns of a block.
    """

    height: int
    width: int
    block_height: int
    block_width: int

    def blocks_of(self, window: Window) -> Iterator[tuple[int, int]]:
        """Find the blocks that intersect a window.

        Args:
            window: Window inside the scene.

        Yields:
            (row, column) of each block in the grid.

        >>> list(BlockGrid(100, 100, 64, 64).blocks_of(Window(10, 60, 10, 10)))
        [(0, 0), (0, 1)]
        """
        for row in range(window.row // self.block_height, -(-window.row_end // self.block_height)):
            for column in range(window.column // self.block_width, -(-window.column_end // self.block_width)):
                yield row, column

    def window(self, block: tuple[int, int]) -> Window:
        """Window of a block, given by its (row, column) in the grid."""
        row, column = block[0] * self.block_height, block[1] * self.block_width
        return Window(row, column, self.block_height, self.block_width).intersection(
            Window(0, 0, self.height, self.width)
        )


def block_grid(height: int, width: int, file_block: tuple[int, int]) -> BlockGrid:
    """Group the blocks of a file into blocks of at least 256 rows by 512 columns.

    File blocks of more than 1024 rows are read in slices of 1024 rows: GDAL decodes such files (one strip, JPEG 2000
    without tiles) by rows.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        file_block: (rows, columns) of a block of the file.

    Returns:
        The grid of blocks to decode at once.

    >>> block_grid(4000, 5000, (1, 5000))
    BlockGrid(height=4000, width=5000, block_height=256, block_width=5000)
    >>> block_grid(4000, 5000, (100, 100))
    BlockGrid(height=4000, width=5000, block_height=300, block_width=600)
    """
    rows = min(file_block[0], 1024)
    return BlockGrid(height, width, rows * -(-256 // rows), file_block[1] * -(-512 // file_block[1]))


class BlockCache:
    """Returns the pixels of windows, decoding each block once, in threads, shortly before it is used.

    A block is freed when all windows that intersect it have been released. Its upper rows are freed earlier, when all
    remaining windows start below them and they are large enough to be worth a copy of the other rows.

    Args:
        decode: Function that reads one window inside the scene; called from several threads.
        grid: The blocks.
        windows: All windows that will be fetched, inside the scene, in the order of their use.
        threads: Number of decoding threads.
        bytes_per_pixel: Memory of one decoded pixel with all its bands.
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
            for block in grid.blocks_of(window):
                self._uses.setdefault(block, Counter())[window.row] += 1
        self._order = list(self._uses)
        self._rank = {block: rank for rank, block in enumerate(self._order)}
        self._submitted = 0  # blocks of the order that were submitted to the threads
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
        """Get the pixels of a window. Waits until its blocks are decoded.

        Args:
            window: One of the windows given to the constructor.

        Returns:
            Its pixels.
        """
        blocks = list(self._grid.blocks_of(window))
        with self._lock:
            self._submit(max(self._rank[block] for block in blocks) + 1 + self._ahead)
            futures = [self._blocks[block] for block in blocks]
        result: Pixels | None = None
        for block, future in zip(blocks, futures, strict=True):
            pixels = future.result()
            if result is None:
                values = np.empty((pixels.values.shape[0], *window.shape), pixels.values.dtype)
                result = Pixels(values, np.empty(window.shape, np.bool_))
            held = self._held_window(block, pixels)
            paste(result.values, window, pixels.values, held)
            paste(result.valid, window, pixels.valid, held)
        assert result is not None, "a window has at least one pixel"
        return result

    def release(self, window: Window) -> None:
        """Release a window that was fetched, so that rows that no other window needs are freed."""
        with self._lock:
            for block in self._grid.blocks_of(window):
                uses = self._uses[block]
                uses[window.row] -= 1
                if not uses[window.row]:
                    del uses[window.row]
                    self._drop(block, min(uses, default=self._grid.height))

    def _held_window(self, block: tuple[int, int], pixels: Pixels) -> Window:
        """Window of the rows of a block that are still in memory: its lower rows."""
        whole = self._grid.window(block)
        rows = len(pixels.valid)
        return Window(whole.row_end - rows, whole.column, rows, whole.width)

    def _drop(self, block: tuple[int, int], row: int) -> None:
        """Free the rows of a block above a row of the scene."""
        future = self._blocks.pop(block, None)
        if future is None or row >= self._grid.window(block).row_end:
            return
        pixels = future.result()
        above = row - self._held_window(block, pixels).row
        drop = MIN_DROPPED * above >= len(pixels.valid)
        self._blocks[block] = _completed(pixels.rows_from(above)) if drop else future

    def _compact(self, window: Window) -> Pixels:
        return self._decode(window).compact()

    def _submit(self, until: int) -> None:
        for rank in range(self._submitted, min(until, len(self._order))):
            block = self._order[rank]
            if self._uses[block]:
                self._blocks[block] = self._pool.submit(self._compact, self._grid.window(block))
            self._submitted = rank + 1


def _completed(pixels: Pixels) -> Future[Pixels]:
    future: Future[Pixels] = Future()
    future.set_result(pixels)
    return future
