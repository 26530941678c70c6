"""What was seen of one scene, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio.features
from numpy.typing import NDArray

from geoships.errors import SceneError
from geoships.scene.angles import Angles
from geoships.scene.layers.area import Area
from geoships.scene.layers.land import Land
from geoships.scene.observed import by_network
from geoships.scene.observed.by_brightness import kinds_by_brightness
from geoships.scene.observed.grid import CellGrid
from geoships.scene.observed.kinds import HIDDEN, SEEN, Kind
from geoships.scene.observed.scene_classes import read_classes
from geoships.scene.opening.band_files import BandFile
from geoships.scene.opening.open import SceneFile
from geoships.scene.reader import Scene

BY_CLASSES = "scene classification of the product"
BY_NETWORK = "ukis-csmask"
BY_BRIGHTNESS = "brightness: no shadows, and no thin clouds"
AROUND = 200.0  # metres around a ship, in which clouds are counted


@dataclass(frozen=True)
class SeenMap:
    """What was seen of a scene.

    Attributes:
        grid: Its cells.
        kinds: Codes of `Kind`, (rows, columns); `add_data` changes them.
        searched: Whether a cell is in the area that is searched, (rows, columns).
        source: What clouds were told by.
        pixel_size: (width, height) of a pixel in metres.
        angles: Of sun and satellite; None if they are not known.
    """

    grid: CellGrid
    kinds: NDArray[np.uint8]
    searched: NDArray[np.bool_]
    source: str
    pixel_size: tuple[float, float]
    angles: Angles | None = None

    def add_data(self, row: int, valid: NDArray[np.bool_]) -> None:
        """Take in which pixels of some rows have data.

        Args:
            row: Number of the first row.
            valid: Whether a pixel has data, and is in the area that is searched, (rows, width of the scene).
        """
        rows, columns = (np.arange(length) for length in self.grid.shape)
        middles, across = self.grid.centres(rows, columns)
        own = np.flatnonzero((middles >= row) & (middles < row + len(valid)))
        self.kinds[own] = np.where(valid[middles[own] - row][:, across], self.kinds[own], Kind.NO_DATA)

    def square_metres(self) -> dict[Kind, float]:
        """Area of each kind in what is searched, on the ellipsoid."""
        return {kind: self.grid.square_metres((self.kinds == kind) & self.searched, self.pixel_size) for kind in Kind}

    @property
    def share(self) -> float:
        """Share of the area that is searched which was seen, 0 to 1."""
        areas = self.square_metres()
        return sum(areas[kind] for kind in SEEN) / max(sum(areas.values()), 1e-9)

    def hidden_around(self, left: float, top: float, right: float, bottom: float) -> float:
        """Share of clouds and shadows around a ship.

        Args:
            left: First column of the ship, in pixels; top, right and bottom likewise.
            top: First row.
            right: Last column.
            bottom: Last row.

        Returns:
            Of the cells with data within AROUND metres of the ship's box, and not in it, the share that is hidden, 0
            to 1; of all of them, where none is left; 0 without any.
        """
        across, down = (AROUND / size for size in self.pixel_size)
        outer = self._cells(left - across, top - down, right + across, bottom + down)
        step = self.grid.step  # the ship itself may be taken for a cloud, and so may the cells beside it
        inner = self._cells(left - step, top - step, right + step, bottom + step)
        kinds = self.kinds[outer]
        counted = np.ones(kinds.shape, np.bool_)
        within = tuple(slice(max(0, a.start - b.start), a.stop - b.start) for a, b in zip(inner, outer, strict=True))
        counted[within] = False
        if not (counted & (kinds != Kind.NO_DATA)).any():
            counted[:] = True
        known = kinds[counted & (kinds != Kind.NO_DATA)]
        return float(np.isin(known, HIDDEN).mean()) if known.size else 0.0

    def _cells(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """The cells that a box in pixels touches."""
        ends = ((top, bottom, self.grid.shape[0]), (left, right, self.grid.shape[1]))
        rows, columns = (
            slice(
                min(max(0, int(first // self.grid.step)), length - 1),
                min(max(1, int(-(-last // self.grid.step))), length),
            )
            for first, last, length in ends
        )
        return rows, columns


def see(
    scene: Scene,
    file: SceneFile,
    pixel_size: tuple[float, float],
    area: Area | None = None,
    lands: Sequence[Land] = (),
    *,
    trust_vrt: bool = False,
) -> SeenMap:
    """Find out what was seen of a scene: by its scene classification, else by ukis-csmask, else by brightness.

    Args:
        scene: The open scene.
        file: What it was opened from.
        pixel_size: (width, height) of a pixel in metres.
        area: What is searched; None: all of it.
        lands: Layers of land, which decide what is sea; without any, the classification or the NDWI does.
        trust_vrt: As for `open_scene`.

    Raises:
        SceneError: Nothing tells clouds in this scene, or something cannot be read.
    """
    classes = classes_of(file)
    grid = CellGrid.of(scene.georeference, pixel_size)
    if classes is not None and scene.georeference.transform is not None:
        kinds, source = read_classes(classes, grid, trust_vrt=trust_vrt), BY_CLASSES
    elif by_network.network_fits(scene):
        grid = CellGrid.of(scene.georeference, pixel_size, by_network.CELL_METRES)
        kinds, source = by_network.kinds_by_network(scene, grid), BY_NETWORK
    else:
        by_rule = kinds_by_brightness(scene, grid)
        if by_rule is None:
            raise SceneError(
                f"{scene.title}: nothing tells where its clouds are: it has neither a scene classification nor two "
                "visible bands; give --no-observed"
            )
        kinds, source = by_rule, BY_BRIGHTNESS
    if lands:
        on_land = np.logical_or.reduce([land.cells(grid.step, grid.shape) for land in lands])
        surface = np.where(on_land, Kind.LAND, Kind.SEA)
        kinds = np.where(np.isin(kinds, SEEN), surface, kinds).astype(np.uint8)
    searched = np.ones(grid.shape, np.bool_) if area is None else _searched(area, grid)
    angles = file.files.angles if file.files else None
    return SeenMap(grid, kinds, searched, source, pixel_size, angles)


def classes_of(file: SceneFile) -> BandFile | None:
    """The scene classification of a scene; None if it has none."""
    return file.files.classes if file.files else None


def _searched(area: Area, grid: CellGrid) -> NDArray[np.bool_]:
    """Whether the middle of each cell is in an area."""
    return np.asarray(rasterio.features.geometry_mask([area.polygon], grid.shape, grid.to_pixels, invert=True))
