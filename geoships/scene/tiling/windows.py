"""Integer pixel windows and the tiling of a scene. Arithmetic only, no input or output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of whole pixels of a scene. It may extend beyond the edges of the scene.

    Windows are hashable and ordered by row, then column.

    Args:
        row: First row, in pixels of the scene; may be negative.
        column: First column, in pixels of the scene; may be negative.
        height: Number of rows, at least 0.
        width: Number of columns, at least 0.

    Raises:
        ValueError: The height or the width is negative.

    >>> window = Window(row=5, column=7, height=2, width=3)
    >>> window.shape, window.row_end, window.column_end
    ((2, 3), 7, 10)
    """

    row: int
    column: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise ValueError(f"window: expected a height and a width of at least 0, got {self.height} x {self.width}")

    @property
    def row_end(self) -> int:
        """Row after the last row of the window."""
        return self.row + self.height

    @property
    def column_end(self) -> int:
        """Column after the last column of the window."""
        return self.column + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def empty(self) -> bool:
        """Whether the window has no pixels."""
        return self.height == 0 or self.width == 0

    def intersection(self, other: Window) -> Window:
        """Intersection with another window; an empty window if they do not intersect.

        >>> Window(0, 0, 4, 4).intersection(Window(2, 3, 4, 4))
        Window(row=2, column=3, height=2, width=1)
        """
        row, column = max(self.row, other.row), max(self.column, other.column)
        height = max(0, min(self.row_end, other.row_end) - row)
        width = max(0, min(self.column_end, other.column_end) - column)
        return Window(row, column, height, width)

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Row and column slices that select this window in an array of `outer`.

        Args:
            outer: Window that the array covers. It must contain this window.

        Returns:
            (row slice, column slice).

        >>> Window(5, 7, 2, 2).within(Window(4, 4, 8, 8))
        (slice(1, 3, None), slice(3, 5, None))
        """
        row, column = self.row - outer.row, self.column - outer.column
        return slice(row, row + self.height), slice(column, column + self.width)


def paste(
    target: NDArray[np.generic], target_window: Window, source: NDArray[np.generic], source_window: Window
) -> None:
    """Copy the intersection of two windows from `source` to `target`.

    Args:
        target: Array of shape (..., rows, columns), changed in place.
        target_window: Window that `target` covers.
        source: Array of shape (..., rows, columns).
        source_window: Window that `source` covers.
    """
    common = target_window.intersection(source_window)
    if not common.empty:
        target[..., *common.within(target_window)] = source[..., *common.within(source_window)]


def reflect(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices start to stop - 1 of an axis, mirrored at its ends without repeating the edge pixel.

    Same as mode "reflect" of `numpy.pad`.

    Args:
        start: First index; may be negative.
        stop: Index after the last; may exceed `length`.
        length: Number of pixels of the axis.

    Returns:
        Indices from 0 to length - 1, shape (stop - start,).

    >>> reflect(-2, 6, 4).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    period = max(1, 2 * (length - 1))
    index = np.arange(start, stop) % period
    return np.minimum(index, period - index) if length > 1 else np.zeros(stop - start, np.intp)


def source_window(window: Window, scene: Window) -> Window:
    """Window inside the scene that contains all pixels of a window, after mirroring at the scene's edges.

    Args:
        window: A window that may extend beyond the scene.
        scene: Window of the whole scene, starting at row 0 and column 0.

    Returns:
        The window to read.

    >>> source_window(Window(-3, 2, 5, 2), Window(0, 0, 10, 10))
    Window(row=0, column=2, height=4, width=2)
    """
    rows = reflect(window.row, window.row_end, scene.height)
    columns = reflect(window.column, window.column_end, scene.width)
    row, column = int(rows.min()), int(columns.min())
    return Window(row, column, int(rows.max()) - row + 1, int(columns.max()) - column + 1)


def window_around(column: float, row: float, shape: tuple[int, int]) -> Window:
    """Window of a given shape whose centre is nearest to a point.

    Args:
        column: Column of the point, in pixel coordinates.
        row: Row of the point, in pixel coordinates.
        shape: (height, width) in pixels.

    Returns:
        The window; it may extend beyond the scene.

    >>> window_around(10, 20, (4, 7))
    Window(row=18, column=6, height=4, width=7)
    """
    height, width = shape
    return Window(round(row - height / 2), round(column - width / 2), height, width)


@dataclass(frozen=True)
class Axis:
    """Tiling of one axis of a scene.

    Tile i covers the pixels [i * stride - margin, i * stride - margin + size). Neighbouring tiles overlap by
    size - stride pixels: at each end `halo` pixels are context only (blending weight 0), with a smooth ramp between.

    Attributes:
        length: Pixels of the scene along the axis, at least 1.
        size: Pixels of a tile.
        stride: Pixels from the start of one tile to the next, at least half the size.
        margin: Pixels by which the first tile starts before the scene.
        halo: Context pixels at each end of a tile.

    Raises:
        ValueError: The numbers make no tiling, or the halos do not fit into the overlap.

    >>> axis = Axis(length=20, size=12, stride=8, margin=0, halo=1)
    >>> axis.count, [axis.start(i) for i in range(axis.count)]
    (2, [0, 8])
    >>> [round(float(weight), 2) for weight in axis.weights(0)[8:]]
    [1.0, 0.84, 0.16, 0.0]
    """

    length: int
    size: int
    stride: int
    margin: int = 0
    halo: int = 0

    def __post_init__(self) -> None:
        if self.length < 1 or not 0 < self.stride <= self.size <= 2 * self.stride or self.margin < 0:
            raise ValueError(f"invalid tiling: expected length >= 1, 0 < stride <= size <= 2 * stride, got {self}")
        if self.count > 1 and not 0 <= 2 * self.halo <= self.size - self.stride:
            raise ValueError(f"invalid tiling: expected 0 <= 2 * halo <= size - stride, got {self}")

    @property
    def count(self) -> int:
        """Number of tiles: the minimum that covers the scene and its margins."""
        return 1 + max(0, -(-(self.length + 2 * self.margin - self.size) // self.stride))

    def start(self, index: int) -> int:
        """First pixel of tile `index`; negative in the margin."""
        return index * self.stride - self.margin

    def reach(self, index: int) -> tuple[int, int]:
        """Range of scene pixels where tile `index` has a blending weight above 0.

        Args:
            index: Number of the tile, from 0.

        Returns:
            (first pixel, pixel after the last).

        >>> Axis(length=20, size=12, stride=8, margin=0, halo=1).reach(0)
        (0, 11)
        """
        first = 0 if index == 0 else self.start(index) + self.halo
        last = self.length if index == self.count - 1 else self.start(index) + self.size - self.halo
        return max(0, first), min(self.length, last)

    def weights(self, index: int) -> NDArray[np.float32]:
        """Blending weights of tile `index`.

        The weights of all tiles sum to 1 on every pixel of the scene, and are 0 outside it.

        Args:
            index: Number of the tile, from 0.

        Returns:
            Weights from 0 to 1, float32, shape (size,).
        """
        weights = np.ones(self.size, np.float64)
        overlap = self.size - self.stride
        ramp = _ramp(overlap, self.halo)
        if overlap and index > 0:
            weights[:overlap] = ramp
        if overlap and index < self.count - 1:
            weights[self.stride :] = 1 - ramp
        pixel = self.start(index) + np.arange(self.size)
        weights[(pixel < 0) | (pixel >= self.length)] = 0
        return weights.astype(np.float32)


@cache
def _ramp(overlap: int, halo: int) -> NDArray[np.float64]:
    """Smoothstep 3t^2 - 2t^3 from 0 to 1 over an overlap, constant over `halo` pixels at both ends."""
    width = overlap - 2 * halo
    position = np.arange(overlap) + 0.5 - halo
    t = np.clip(position / width, 0, 1) if width else (position > 0).astype(np.float64)
    return np.asarray(t * t * (3 - 2 * t))


@dataclass(frozen=True)
class Tile:
    """One tile of a plan.

    Attributes:
        row_index: Row of the tile in the tile grid, from 0.
        column_index: Column of the tile in the tile grid, from 0.
        window: Window that the model sees, halos included.
    """

    row_index: int
    column_index: int
    window: Window


@dataclass(frozen=True)
class TilePlan:
    """Tiling of a scene with tiles of one shape. Iterate over it to get the tiles, row by row from top to bottom.

    Args:
        rows: Tiling along the rows (vertical axis).
        columns: Tiling along the columns (horizontal axis).

    >>> plan = TilePlan(
    ...     rows=plan_axis(1000, size=512, unit=32, halo=48, blend=32, margin=32),
    ...     columns=plan_axis(700, size=512, unit=32, halo=48, blend=32, margin=32),
    ... )
    >>> plan.tile_shape, len(plan)
    ((448, 448), 6)
    >>> next(iter(plan)).window
    Window(row=-32, column=-32, height=448, width=448)
    """

    rows: Axis
    columns: Axis

    @property
    def scene(self) -> Window:
        """Window of the whole scene."""
        return Window(0, 0, self.rows.length, self.columns.length)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """(height, width) of each tile, in pixels of the scene."""
        return self.rows.size, self.columns.size

    def __len__(self) -> int:
        return self.rows.count * self.columns.count

    def __iter__(self) -> Iterator[Tile]:
        return self.in_rows(range(self.rows.count))

    def in_rows(self, rows: range) -> Iterator[Tile]:
        """The tiles of some rows of the tile grid, row by row from top to bottom."""
        for row in rows:
            for column in range(self.columns.count):
                yield self.tile(row, column)

    def tile(self, row_index: int, column_index: int) -> Tile:
        """Get a tile by its position in the tile grid.

        Args:
            row_index: Row in the tile grid, from 0.
            column_index: Column in the tile grid, from 0.

        Returns:
            The tile.
        """
        window = Window(self.rows.start(row_index), self.columns.start(column_index), *self.tile_shape)
        return Tile(row_index, column_index, window)

    def reach(self, tile: Tile) -> Window:
        """Window inside the scene where a tile has a blending weight above 0."""
        row, row_end = self.rows.reach(tile.row_index)
        column, column_end = self.columns.reach(tile.column_index)
        return Window(row, column, row_end - row, column_end - column)

    def weights(self, tile: Tile) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Blending weights of a tile; the weight of a pixel is the product of both.

        Args:
            tile: A tile of the plan.

        Returns:
            (weights along the rows, shape (height,); weights along the columns, shape (width,)), float32.
        """
        return self.rows.weights(tile.row_index), self.columns.weights(tile.column_index)


def plan_axis(length: int, size: int, unit: int, halo: int, blend: int, margin: int) -> Axis:
    """Tile one axis of a scene with the fewest tiles of at most `size` pixels, and then the smallest.

    All starts, strides and sizes are multiples of `unit`, so that a network that halves its input k times
    (unit = 2^k) samples all tiles on the same grid. The tiles are larger than `size` if `size` is less than twice the
    overlap.

    Args:
        length: Pixels of the scene along the axis, at least 1.
        size: Maximum tile size in pixels.
        unit: Starts, strides and sizes are multiples of this number of pixels.
        halo: Context pixels at each end of a tile, whose scores are discarded where tiles overlap.
        blend: Minimum width of the blending ramp between neighbouring tiles, in pixels.
        margin: Mirrored pixels around the scene.

    Returns:
        The tiling of the axis.

    Raises:
        ValueError: The length is less than 1.

    >>> plan_axis(1000, size=512, unit=32, halo=48, blend=32, margin=32)
    Axis(length=1000, size=448, stride=320, margin=32, halo=48)
    """
    overlap = _round_up(2 * halo + blend, unit)
    margin = _round_up(margin, unit)
    size = max(size // unit * unit, 2 * overlap, unit)
    covered = length + 2 * margin
    if covered <= size:
        size = _round_up(covered, unit)
        return Axis(length, size, size, margin, 0)
    count = 1 + -(-(covered - size) // (size - overlap))
    size = max(_round_up(-(-(covered - overlap) // count) + overlap, unit), 2 * overlap)
    return Axis(length, size, size - overlap, margin, halo)


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
