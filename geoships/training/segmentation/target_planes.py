"""The labels of a scene as pixels of the model's size: ships, and gaps between ships that are close to each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import rasterio.features
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.scene.layers.labels import IGNORED, SHIP, Labels
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Window

PAD = 2  # scene pixels around a ship's bounding box
SUBPIXELS = 4  # along each side of a model pixel that is larger than a scene pixel


@dataclass(frozen=True)
class ShipMask:
    """One ship on the model's grid.

    Attributes:
        window: Model pixels around the ship.
        mask: (rows, columns) bool.
    """

    window: Window
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class ModelGrid:
    """The grid of a scene at the model's pixel size.

    Attributes:
        ratios: Model pixels per scene pixel along rows and columns.
        scene: Rows and columns of the scene.
    """

    ratios: tuple[Ratio, Ratio]
    scene: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        rows, columns = (
            max(1, length * ratio.model // ratio.scene) for length, ratio in zip(self.scene, self.ratios, strict=True)
        )
        return rows, columns

    @property
    def scale(self) -> tuple[float, float]:
        """Model pixels per scene pixel along rows and columns."""
        rows, columns = (ratio.model / ratio.scene for ratio in self.ratios)
        return rows, columns

    def nearest(self, axis: int) -> NDArray[np.intp]:
        """For each row (axis 0) or column (axis 1) of the grid, that of the scene under its centre."""
        positions = (np.arange(self.shape[axis]) + 0.5) / self.scale[axis]
        return np.minimum(positions.astype(np.intp), self.scene[axis] - 1)


def ship_masks(labels: Labels, grid: ModelGrid) -> Iterator[ShipMask]:
    """Yield each labelled ship on the model's grid, but those that lie outside the scene or fill no pixel."""
    for ship in labels.ships:
        left, top, right, bottom = ship.bounds
        rows, columns = grid.scene
        window = Window(
            int(np.floor(top)) - PAD,
            int(np.floor(left)) - PAD,
            int(np.ceil(bottom) - np.floor(top)) + 2 * PAD,
            int(np.ceil(right) - np.floor(left)) + 2 * PAD,
        ).intersection(Window(0, 0, rows, columns))
        if window.empty:
            continue
        (down, across), whole = grid.scale, Window(0, 0, *grid.shape)
        row, column = int(window.row * down), int(window.column * across)
        height = int(np.ceil(window.row_end * down)) - row
        width = int(np.ceil(window.column_end * across)) - column
        place = Window(row, column, height, width).intersection(whole)
        mask = _burn(ship, window, place, grid.scale)
        if mask.any():
            yield ShipMask(place, mask)


def _burn(ship: BaseGeometry, window: Window, place: Window, scale: tuple[float, float]) -> NDArray[np.bool_]:
    """A ship burnt by pixel centres onto the scene's grid and interpolated, or onto subpixels where that is finer."""
    down, across = scale
    if down < 1 or across < 1:
        fine = Affine.translation(place.column / across, place.row / down) * Affine.scale(
            1 / (SUBPIXELS * across), 1 / (SUBPIXELS * down)
        )
        shape = (place.height * SUBPIXELS, place.width * SUBPIXELS)
        burnt = rasterio.features.rasterize([(ship, 1)], shape, transform=fine, dtype="uint8")
        return np.asarray(burnt.reshape(place.height, SUBPIXELS, place.width, SUBPIXELS).mean(axis=(1, 3)) > 0.5)
    burnt = rasterio.features.rasterize(
        [(ship, 1)], window.shape, transform=Affine.translation(window.column, window.row), dtype="uint8"
    )
    if (down, across) == (1.0, 1.0):
        return np.asarray(burnt > 0)
    matrix = np.array(
        [
            [1 / across, 0, (place.column + 0.5) / across - 0.5 - window.column],
            [0, 1 / down, (place.row + 0.5) / down - 0.5 - window.row],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (place.width, place.height)
    return np.asarray(cv2.warpAffine(burnt.astype(np.float32), matrix, size, flags=flags) > 0.5)


def ship_plane(ships: list[ShipMask], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """All ships in one plane, 1 on a ship and 0 elsewhere."""
    plane = np.zeros(shape, np.uint8)
    whole = Window(0, 0, *shape)
    for ship in ships:
        plane[ship.window.within(whole)] |= ship.mask
    return plane


def gap_plane(ships: list[ShipMask], plane: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Pixels beside ships that lie within `reach` pixels of two ships or more."""
    near = np.zeros(plane.shape, np.uint8)
    whole = Window(0, 0, *plane.shape)
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for ship in ships:
        around = Window(
            ship.window.row - reach,
            ship.window.column - reach,
            ship.window.height + 2 * reach,
            ship.window.width + 2 * reach,
        )
        inside = around.intersection(whole)
        grown = cv2.dilate(np.pad(ship.mask.astype(np.uint8), reach), kernel, iterations=reach)
        near[inside.within(whole)] += np.asarray(grown[inside.within(around)], np.uint8)
    return np.asarray((near > 1) & (plane == 0))


def hide_rim(mask: NDArray[np.uint8], rim: int) -> NDArray[np.uint8]:
    """Set pixels within `rim` of a ship's outline to IGNORED, on both sides; a ship keeps what is deepest in it."""
    if not rim:
        return mask
    ships = (mask == SHIP).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    inner = cv2.erode(ships, kernel, borderValue=1)
    _, labels = cv2.connectedComponents(ships, connectivity=8)
    lost = ~np.isin(labels, np.unique(labels[inner > 0])) & (ships > 0)
    around = (cv2.dilate(ships, kernel) > 0) & (inner == 0) & ~lost
    return np.where(around, np.uint8(IGNORED), mask)
