"""Which blocks of a sparse GeoTIFF were ever written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray

from geoships.scene.tiling.blocks import BlockGrid
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity

MAX_BLOCKS = 1 << 20  # asking for more would take longer than decoding some empty blocks


@dataclass(frozen=True)
class WrittenBlocks:
    """The blocks of a file that hold pixels. All others were never written, and have no data.

    Attributes:
        grid: The blocks of the file.
        written: Whether a block holds pixels, shape (rows, columns) of the grid.
    """

    grid: BlockGrid
    written: NDArray[np.bool_]

    def any(self, window: Window) -> bool:
        """Whether a window inside the scene holds a pixel that was written."""
        rows = slice(window.row // self.grid.block_height, -(-window.row_end // self.grid.block_height))
        columns = slice(window.column // self.grid.block_width, -(-window.column_end // self.grid.block_width))
        return bool(self.written[rows, columns].any())

    def columns_near(self, rows: int, columns: int) -> int:
        """Largest number of columns that lie near pixels that were written, among all groups of rows.

        Args:
            rows: Rows of a group that follow each other.
            columns: Columns that count as near, on either side.

        Returns:
            Columns of the scene, rounded up to whole blocks.
        """
        from scipy import ndimage  # only for sparse files

        group = (-(-rows // self.grid.block_height) + 1, 2 * -(-columns // self.grid.block_width) + 1)
        near = ndimage.maximum_filter(self.written, group, mode="constant")
        return min(self.grid.width, int(near.sum(axis=1).max()) * self.grid.block_width)


def written_blocks(dataset: rasterio.DatasetReader, indexes: Sequence[int], validity: Validity) -> WrittenBlocks | None:
    """Find the blocks of a GeoTIFF that hold pixels of any of some bands.

    Args:
        dataset: The open dataset.
        indexes: The bands, from 1.
        validity: How the file marks pixels without data, for these bands.

    Returns:
        The blocks; None where all were written, where pixels that were not are valid (a file without nodata value:
        they are 0), for other formats, and for files on servers, whose index would have to be fetched whole.
    """
    if dataset.driver != "GTiff" or _remote(dataset.name) or validity.fill_is_valid:
        return None
    height, width = dataset.block_shapes[indexes[0] - 1]
    rows, columns = -(-dataset.height // height), -(-dataset.width // width)
    pixel = dataset.interleaving == rasterio.enums.Interleaving.pixel
    bands = indexes[:1] if pixel else indexes
    same = all(dataset.block_shapes[index - 1] == (height, width) for index in bands)
    if not same or rows * columns * len(bands) > MAX_BLOCKS:
        return None
    written = np.zeros((rows, columns), np.bool_)
    for row, column in np.ndindex(rows, columns):
        name = f"BLOCK_OFFSET_{column}_{row}"
        written[row, column] = any(dataset.get_tag_item(name, "TIFF", bidx=band) for band in bands)
    if written.all():
        return None
    return WrittenBlocks(BlockGrid(dataset.height, dataset.width, height, width), written)


def _remote(name: str) -> bool:
    return name.startswith("/vsi") or "://" in name
