"""The grid of cells on which it is told what was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from geoships.scene.georeference import WGS84, Georeference
from geoships.scene.tiling.windows import Window

CELL_METRES = 20.0  # side of a cell, as in the scene classification of Sentinel-2
MAX_CELLS = 36 << 20  # of very large scenes, cells are larger: this many take 36 MiB
BLOCKS = 16  # along each side of the scene, in which the size of a cell is taken as the same


@dataclass(frozen=True)
class CellGrid:
    """Cells of a scene, each a square of pixels; those at the right and lower edge may reach beyond it.

    Attributes:
        georeference: Of the scene.
        step: Pixels along the side of a cell.
    """

    georeference: Georeference
    step: int

    @classmethod
    def of(cls, georeference: Georeference, pixel_size: tuple[float, float], metres: float = CELL_METRES) -> CellGrid:
        """Choose the cells of a scene.

        Args:
            georeference: Of the scene.
            pixel_size: (width, height) of a pixel in metres.
            metres: Side of a cell that is wanted; a cell has at least one pixel, and there are at most MAX_CELLS.
        """
        size = math.sqrt(pixel_size[0] * pixel_size[1])
        least = math.sqrt(georeference.height * georeference.width / MAX_CELLS)
        return cls(georeference, max(1, round(metres / size), math.ceil(least)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.georeference.height // self.step), -(-self.georeference.width // self.step)

    @property
    def to_pixels(self) -> Affine:
        """From cells (column, row) to pixels (column, row)."""
        return Affine.scale(self.step)

    def pixels(self, rows: slice) -> Window:
        """The pixels of some rows of cells."""
        top, bottom = rows.start * self.step, min(rows.stop * self.step, self.georeference.height)
        return Window(top, 0, bottom - top, self.georeference.width)

    def centres(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The pixels in the middle of rows and columns of cells, inside the scene."""
        middle = self.step // 2
        return (
            np.minimum(rows * self.step + middle, self.georeference.height - 1),
            np.minimum(columns * self.step + middle, self.georeference.width - 1),
        )

    def square_metres(self, cells: NDArray[np.bool_], pixel_size: tuple[float, float]) -> float:
        """Area of cells on the WGS 84 ellipsoid, without what reaches beyond the scene.

        Args:
            cells: Which ones, (rows, columns).
            pixel_size: (width, height) of a pixel in metres, where the scene is not georeferenced.

        Returns:
            Square metres. The size of a pixel is taken as the same in each of 16 x 16 parts of the scene.
        """
        total = 0.0
        for rows in _parts(self.shape[0]):
            for columns in _parts(self.shape[1]):
                part = cells[rows, columns]
                if part.any():
                    total += self._pixels_of(part, rows, columns) * self._pixel_area(rows, columns, pixel_size)
        return total

    def _pixels_of(self, part: NDArray[np.bool_], rows: slice, columns: slice) -> float:
        """Number of pixels of the scene in the cells of a part."""
        heights, widths = (
            np.minimum(self.step, length - np.arange(ends.start, ends.stop) * self.step)
            for length, ends in ((self.georeference.height, rows), (self.georeference.width, columns))
        )
        return float(heights @ part.astype(np.float64) @ widths)

    def _pixel_area(self, rows: slice, columns: slice, pixel_size: tuple[float, float]) -> float:
        """Square metres of a pixel in the middle of a part."""
        if not self.georeference.placed:
            return pixel_size[0] * pixel_size[1]
        x, y = (rows_or.start + rows_or.stop for rows_or in (columns, rows))
        column, row = x * self.step / 2, y * self.step / 2
        across, down = np.array([-0.5, 0.5, 0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5])
        try:
            lon, lat = self.georeference.to_lonlat(column + across, row + down)
        except ProjError:
            return pixel_size[0] * pixel_size[1]
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return pixel_size[0] * pixel_size[1]
        area, _ = WGS84.polygon_area_perimeter(lon, lat)
        return abs(float(area))


def _parts(length: int) -> list[slice]:
    ends = np.unique(np.linspace(0, length, BLOCKS + 1).astype(int)).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]
