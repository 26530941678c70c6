"""Tiny rasters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

GRID = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4100000.0)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a raster of the given values (bands, rows, columns) below tmp_path, and return its path."""

    def write_raster(name: str, values: Any = None, driver: str = "GTiff", **profile: Any) -> Path:
        values = np.arange(2 * 8 * 6, dtype=np.uint8).reshape(2, 8, 6) if values is None else np.asarray(values)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = values.shape
        shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
        if driver == "GTiff":
            profile = {"crs": "EPSG:32633", "transform": GRID} | profile
        with rasterio.open(path, "w", driver=driver, **shape, **profile) as dataset:
            dataset.write(values)
        return path

    return write_raster
