"""Writes small scenes with ships, for tests."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = Affine(10, 0, 500000, 0, -10, 4000000)

# (row, column, height, width) in pixels: one in the open, one on tile seams, one at the border, one small
SHIPS = ((20, 30, 4, 20), (90, 60, 30, 5), (150, 180, 6, 20), (60, 150, 3, 3))


def ship_scene(
    path: Path,
    shape: tuple[int, int] = (180, 200),
    *,
    transform: Affine | None = UTM,
    crs: str | None = "EPSG:32631",
    scale: float = 1e-4,
    offset: float = 0.0,
    ships: tuple[tuple[int, int, int, int], ...] = SHIPS,
    nodata_columns: int = 0,
    bands: tuple[str, ...] = ("B04",),
    **profile: object,
) -> np.ndarray:
    """Write a uint16 scene, the same in all bands, with bright rectangles on dark water; returns the ship mask."""
    mask = np.zeros(shape, bool)
    for row, column, height, width in ships:
        mask[row : row + height, column : column + width] = True
    stored = np.round((np.where(mask, 0.9, 0.05) - offset) / scale).astype("uint16")
    if nodata_columns:
        stored[:, :nodata_columns] = 0
        mask[:, :nodata_columns] = False
    placement = {key: value for key, value in (("transform", transform), ("crs", crs)) if value is not None}
    options = {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", height=shape[0], width=shape[1], count=len(bands), dtype="uint16",
            nodata=0 if nodata_columns else None, **placement, **options,
        ) as dataset:  # fmt: skip
            dataset.write(np.stack([stored] * len(bands)))
            dataset.descriptions = bands
            dataset.scales, dataset.offsets = (scale,) * len(bands), (offset,) * len(bands)
    return mask
