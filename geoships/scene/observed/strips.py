"""Reads a scene cell by cell, a strip of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from geoships.scene.observed.grid import CellGrid
from geoships.scene.reader import Scene

STRIP_BYTES = 64 << 20  # of decoded pixels


def strips(scene: Scene, grid: CellGrid) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the mean reflectance of all cells of a scene, from top to bottom.

    Args:
        scene: The open scene.
        grid: Its cells.

    Yields:
        Rows of cells; reflectance, (bands, rows, columns), 0 without data; and whether a cell has data.
    """
    pixel_bytes = (scene.dtype.itemsize + 8) * len(scene.wanted)
    height = max(1, STRIP_BYTES // (pixel_bytes * grid.georeference.width * grid.step))
    for top in range(0, grid.shape[0], height):
        rows = slice(top, min(top + height, grid.shape[0]))
        pixels = scene.decode(grid.pixels(rows))
        values = np.where(pixels.valid, scene.radiometry.apply(pixels.values), 0).astype(np.float32)
        counts = _summed(pixels.valid[None].astype(np.float32), grid.step)[0]
        yield rows, _summed(values, grid.step) / np.maximum(counts, 1), counts > 0


def _summed(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Sums over squares of pixels, of which the last ones may be cut."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[1], step), axis=1)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[2], step), axis=2))
