"""Integer pixel windows and the tiling of a scene: pure arithmetic, no input or output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of whole pixels; it may hang over the edges of its scene.

    row, column: its first row and column, in pixels of the scene, possibly negative.
    height, width: its size in pixels, at least 0.
    """

    row: int
    column: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise ValueError(f"a window cannot be {self.height} x {self.width} pixels")

    @property
    def row_end(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def column_end(self) -> int:
        """First column right of the window."""
        return self.column + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def empty(self) -> bool:
        """Whether the window holds no pixel."""
        return self.height == 0 or self.width == 0

    def intersection(self, other: Window) -> Window:
        """The common part; an empty window where there is none.

        >>> Window(0, 0, 4, 4).intersection(Window(2, 3, 4, 4))
        Window(row=2, column=3, height=2, width=1)
        """
        row, column = max(self.row, other.row), max(self.column, other.column)
        height = max(0, min(self.row_end, other.row_end) - row)
        width = max(0, min(self.column_end, other.column_end) - column)
        return Window(row, column, height, width)

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Row and column slices of this window in an array that covers `outer`.

        >>> Window(5, 7, 2, 2).within(Window(4, 4, 8, 8))
        (slice(1, 3, None), slice(3, 5, None))
        """
        row, column = self.row - outer.row, self.column - outer.column
        return slice(row, row + self.height), slice(column, column + self.width)


def paste(
    target: NDArray[np.generic], target_window: Window, source: NDArray[np.generic], source_window: Window
) -> None:
    """Copy the common part of two windows from `source` to `target`; rows and columns are the last axes."""
    common = target_window.intersection(source_window)
    if not common.empty:
        target[..., *common.within(target_window)] = source[..., *common.within(source_window)]


def reflect(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices start..stop-1 of an axis of `length`, mirrored at its ends without repeating the end.

    >>> reflect(-2, 6, 4).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    period = max(1, 2 * (length - 1))
    index = np.arange(start, stop) % period
    return np.minimum(index, period - index) if length > 1 else np.zeros(stop - start, np.intp)


def source_window(window: Window, scene: Window) -> Window:
    """The part of a scene that a window needs once its overhang is mirrored at the scene's edges.

    >>> source_window(Window(-3, 2, 5, 2), Window(0, 0, 10, 10))
    Window(row=0, column=2, height=4, width=2)
    """
    rows = reflect(window.row, window.row_end, scene.height)
    columns = reflect(window.column, window.column_end, scene.width)
    row, column = int(rows.min()), int(columns.min())
    return Window(row, column, int(rows.max()) - row + 1, int(columns.max()) - column + 1)


def window_around(column: float, row: float, shape: tuple[int, int]) -> Window:
    """The window of a shape (height, width) whose middle is nearest to a place.

    >>> window_around(10, 20, (4, 7))
    Window(row=18, column=6, height=4, width=7)
    """
    height, width = shape
    return Window(round(row - height / 2), round(column - width / 2), height, width)


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis of a scene.

    Tile i covers the pixels [i * stride - margin, i * stride - margin + size). Neighbours share
    size - stride pixels: `halo` pixels at each end are context only (weight 0), and a smooth ramp
    lies between.

    length: pixels of the scene along the axis, at least 1.
    size: pixels of a tile.
    stride: pixels from one tile to the next, at least half the size.
    margin: pixels by which the first tile starts before the scene.
    halo: pixels of context at each end of a tile.

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
            raise ValueError(f"no tiling: {self}")
        if self.count > 1 and not 0 <= 2 * self.halo <= self.size - self.stride:
            raise ValueError(f"the halo does not fit into the overlap: {self}")

    @property
    def count(self) -> int:
        """Number of tiles: the least that covers the scene and its margins."""
        return 1 + max(0, -(-(self.length + 2 * self.margin - self.size) // self.stride))

    def start(self, index: int) -> int:
        """First pixel of tile `index`; negative in the margin."""
        return index * self.stride - self.margin

    def reach(self, index: int) -> tuple[int, int]:
        """First pixel of the scene, and the one after the last, where tile `index` has a weight above 0.

        >>> Axis(length=20, size=12, stride=8, margin=0, halo=1).reach(0)
        (0, 11)
        """
        first = 0 if index == 0 else self.start(index) + self.halo
        last = self.length if index == self.count - 1 else self.start(index) + self.size - self.halo
        return max(0, first), min(self.length, last)

    def weights(self, index: int) -> NDArray[np.float32]:
        """Blending weights of tile `index`, shape (size,).

        Over all tiles they sum to one on every pixel of the scene, and are 0 outside it.
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
    """Smoothstep 3t^2 - 2t^3 from 0 to 1 over an overlap, flat over `halo` pixels at both ends."""
    width = overlap - 2 * halo
    position = np.arange(overlap) + 0.5 - halo
    t = np.clip(position / width, 0, 1) if width else (position > 0).astype(np.float64)
    return np.asarray(t * t * (3 - 2 * t))


@dataclass(frozen=True)
class Tile:
    """One tile of a plan: its place in the grid and the window that the model sees."""

    row_index: int
    column_index: int
    window: Window


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one shape over a scene, in rows from top to bottom.

    rows, columns: the tiling of each axis.
    """

    rows: Axis
    columns: Axis

    @property
    def scene(self) -> Window:
        """The whole scene."""
        return Window(0, 0, self.rows.length, self.columns.length)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """(height, width) of every tile, in pixels."""
        return self.rows.size, self.columns.size

    def __len__(self) -> int:
        return self.rows.count * self.columns.count

    def __iter__(self) -> Iterator[Tile]:
        for row in range(self.rows.count):
            for column in range(self.columns.count):
                yield self.tile(row, column)

    def tile(self, row_index: int, column_index: int) -> Tile:
        """The tile at one place of the grid."""
        window = Window(self.rows.start(row_index), self.columns.start(column_index), *self.tile_shape)
        return Tile(row_index, column_index, window)

    def reach(self, tile: Tile) -> Window:
        """The pixels of the scene that a tile's scores reach: those where its weight is above 0."""
        row, row_end = self.rows.reach(tile.row_index)
        column, column_end = self.columns.reach(tile.column_index)
        return Window(row, column, row_end - row, column_end - column)

    def weights(self, tile: Tile) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Blending weights of a tile along its rows (height,) and its columns (width,)."""
        return self.rows.weights(tile.row_index), self.columns.weights(tile.column_index)


def plan_axis(length: int, size: int, unit: int, halo: int, blend: int, margin: int) -> Axis:
    """Tile one axis with the fewest, then the smallest tiles of at most `size` pixels.

    Every start, stride and size is a multiple of `unit`, so that a network that halves its input
    k times (unit = 2^k) samples all tiles on the same grid. Sizes grow where `size` cannot hold the
    overlap twice.

    length: pixels of the scene. size: greatest tile. halo: context at each end of a tile.
    blend: least width of the ramp between neighbours. margin: reflected pixels around the scene.

    >>> plan_axis(1000, size=512, unit=32, halo=48, blend=32, margin=32)
    Axis(length=1000, size=448, stride=320, margin=32, halo=48)
    """
    overlap = _up(2 * halo + blend, unit)
    margin = _up(margin, unit)
    size = max(size // unit * unit, 2 * overlap, unit)
    need = length + 2 * margin
    if need <= size:
        size = _up(need, unit)
        return Axis(length, size, size, margin, 0)
    count = 1 + -(-(need - size) // (size - overlap))
    size = max(_up(-(-(need - overlap) // count) + overlap, unit), 2 * overlap)
    return Axis(length, size, size - overlap, margin, halo)


def _up(value: int, unit: int) -> int:
    """The least multiple of `unit` that is not below `value`."""
    return -(-value // unit) * unit
