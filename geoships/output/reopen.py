"""Open a raster again that is being written."""

from __future__ import annotations

from pathlib import Path

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetWriter


def reopen(path: Path) -> DatasetWriter:
    """Open a raster to write more of it.

    Args:
        path: The raster.

    Raises:
        RasterioIOError: It is no raster any more, as on a full disk; rasterio itself raises a TypeError then.
    """
    try:
        return rasterio.open(path, "r+")
    except TypeError as error:
        raise RasterioIOError(f"what was written is no raster: {error}") from error
