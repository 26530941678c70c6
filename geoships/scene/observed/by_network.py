"""Clouds and their shadows by the networks of ukis-csmask (Wieland et al. 2019), which are in its package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geoships.scene.observed.grid import CellGrid
from geoships.scene.observed.kinds import Kind
from geoships.scene.observed.strips import strips
from geoships.scene.reader import Scene
from geoships.scene.water import find_water

CELL_METRES = 30.0  # pixel size that the networks are made for
BANDS = ("blue", "green", "red", "nir")
MORE_BANDS = (*BANDS, "swir16", "swir22")
BLOCK, CONTEXT = 1024, 64  # cells along the side of what is computed at once, and beyond it on each side
SIDE = 256  # of the network's own tiles: less is filled up
CLOUD, SHADOW = 1, 2  # classes of the networks

Level = Literal["l1c", "l2a"]


def network_fits(scene: Scene) -> bool:
    """Whether ukis-csmask is installed, and the scene has reflectance of the bands that it needs."""
    if scene.dtype == np.uint8 or importlib.util.find_spec("ukis_csmask") is None:
        return False
    return set(BANDS) <= set(scene.wanted)


def kinds_by_network(scene: Scene, grid: CellGrid) -> NDArray[np.uint8]:
    """Tell clouds and shadows by a network, and water by the NDWI.

    Args:
        scene: The open scene, which `network_fits`.
        grid: Its cells, of about CELL_METRES.

    Returns:
        Codes of `Kind`, (rows, columns) of the grid.
    """
    wanted = MORE_BANDS if set(MORE_BANDS) <= set(scene.wanted) else BANDS
    picked = [scene.wanted.index(name) for name in wanted]
    level: Level = "l1c" if "MSIL1C" in scene.title.upper() else "l2a"
    image = np.zeros((len(wanted), *grid.shape), np.float32)
    kinds = np.full(grid.shape, Kind.NO_DATA, np.uint8)
    for rows, values, valid in strips(scene, grid):
        image[:, rows] = values[picked]
        water = find_water(values, scene.wanted)
        surface = np.full(valid.shape, Kind.SURFACE) if water is None else np.where(water, Kind.SEA, Kind.LAND)
        kinds[rows] = np.where(valid, surface, Kind.NO_DATA)
    for row in range(0, grid.shape[0], BLOCK):
        for column in range(0, grid.shape[1], BLOCK):
            _mark(kinds, image, (row, column), wanted, level)
    return kinds


def _mark(
    kinds: NDArray[np.uint8], image: NDArray[np.float32], corner: tuple[int, int], bands: Sequence[str], level: Level
) -> None:
    """Mark clouds and shadows in one block of cells, whose upper left one is `corner`."""
    from ukis_csmask.mask import CSmask

    inner = tuple(slice(at, min(at + BLOCK, length)) for at, length in zip(corner, kinds.shape, strict=True))
    outer = tuple(
        slice(max(0, part.start - CONTEXT), min(length, part.stop + CONTEXT))
        for part, length in zip(inner, kinds.shape, strict=True)
    )
    if not kinds[inner].any():
        return
    part = image[:, outer[0], outer[1]]
    height, width = part.shape[1:]
    padded = np.pad(part, ((0, 0), (0, max(0, SIDE - height)), (0, max(0, SIDE - width))), mode="reflect")
    found = CSmask(
        np.ascontiguousarray(np.moveaxis(padded, 0, -1)), list(bands), product_level=level,
        providers=["CPUExecutionProvider"],
    ).csm[:height, :width, 0]  # fmt: skip
    within = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True))
    own, classes = kinds[inner], found[within]
    own[(classes == CLOUD) & (own != Kind.NO_DATA)] = Kind.CLOUD
    own[(classes == SHADOW) & (own != Kind.NO_DATA)] = Kind.SHADOW
