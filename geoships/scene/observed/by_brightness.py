"""Clouds by a simple rule: what is bright and grey in the visible bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geoships.scene.observed.grid import CellGrid
from geoships.scene.observed.kinds import Kind
from geoships.scene.observed.strips import strips
from geoships.scene.plausible import cloud_like
from geoships.scene.reader import Scene
from geoships.scene.water import find_water


def kinds_by_brightness(scene: Scene, grid: CellGrid) -> NDArray[np.uint8] | None:
    """Tell clouds by their brightness, and water by the NDWI where the scene has near infrared.

    Thin clouds and shadows are not told; surf, sand, roofs, snow and glint may be taken for clouds.

    Args:
        scene: The open scene.
        grid: Its cells.

    Returns:
        Codes of `Kind`, (rows, columns) of the grid; None where the scene has not two visible bands.
    """
    kinds = np.full(grid.shape, Kind.NO_DATA, np.uint8)
    for rows, image, valid in strips(scene, grid):
        found = kinds_of(image, valid, scene.wanted, is_picture=scene.dtype == np.uint8)
        if found is None:
            return None
        kinds[rows] = found
    return kinds


def kinds_of(
    image: NDArray[np.float32], valid: NDArray[np.bool_], bands: Sequence[str], *, is_picture: bool
) -> NDArray[np.uint8] | None:
    """The rule itself.

    Args:
        image: Reflectance, (bands, rows, columns).
        valid: Whether a cell has data, (rows, columns).
        bands: Common name of each band.
        is_picture: Whether the scene has 8 bits, and its reflectance is only a brightness.

    Returns:
        Codes of `Kind`, (rows, columns); None without two visible bands.
    """
    clouds = cloud_like(image, bands, is_picture=is_picture)
    if clouds is None:
        return None
    water = find_water(image, bands)
    surface = np.full(valid.shape, Kind.SURFACE, np.uint8) if water is None else np.where(water, Kind.SEA, Kind.LAND)
    return np.where(valid, np.where(clouds, Kind.CLOUD, surface), Kind.NO_DATA).astype(np.uint8)
