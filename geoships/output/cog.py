"""Write a raster of several bands as a Cloud Optimized GeoTIFF (COG), window by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from geoships.output.reopen import reopen
from geoships.scene.tiling.windows import Window
from geoships.support.files import discard, output_errors, publish, reserve

BLOCK = 512  # rows and columns of a block
CACHE_BYTES = 32 * 2**20  # GDAL's own default is 5 % of the machine's memory


@dataclass(frozen=True)
class Layout:
    """Size, data type, georeference and metadata of a raster.

    Attributes:
        height: Rows of pixels.
        width: Columns of pixels.
        dtype: Data type of the stored values.
        transform: Affine geotransform.
        crs: Coordinate reference system.
        bands: Description of each band.
        scale: Scale of each band; value = stored value * scale + offset.
        offset: Offset of each band.
        nodata: Stored value of pixels without data.
        tags: Further metadata of the file.
    """

    height: int
    width: int
    dtype: str
    transform: Affine
    crs: CRS
    bands: tuple[str, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    nodata: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def write_cog(path: Path, layout: Layout, pixels: Iterable[tuple[Window, NDArray[np.generic]]]) -> None:
    """Write a raster as a COG. The file appears only when it is complete; after an error an older file is unchanged.

    Args:
        path: The file.
        layout: Size, data type, georeference and metadata.
        pixels: Windows and their stored values, (bands, rows, columns). Pixels outside of all windows are nodata.
            One window is held in memory at a time, and none is copied.

    Raises:
        OutputError: Where the file cannot be written. Errors of `pixels` pass through.
    """
    temporary = reserve(path)
    rows = temporary.with_name(f"{temporary.stem}-rows.tif")
    try:
        with output_errors(path), rasterio.open(rows, "w", **_profile(layout)) as dataset:
            _describe(dataset, layout)
        for window, values in pixels:
            target = RasterioWindow(window.column, window.row, window.width, window.height)
            # Reopened for each window, so that its blocks do not stay in GDAL's cache.
            with output_errors(path), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), reopen(rows) as dataset:
                dataset.write(values, window=target)
        with output_errors(path), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            rasterio.shutil.copy(
                rows, temporary, driver="COG", blocksize=BLOCK, compress="deflate", predictor="yes",
                overview_resampling="average", bigtiff="if_safer", num_threads="all_cpus",
            )  # fmt: skip
            _read_back(temporary)
        publish(temporary, path)
    finally:
        discard(temporary)


def _profile(layout: Layout) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "height": layout.height,
        "width": layout.width,
        "count": len(layout.bands),
        "dtype": layout.dtype,
        "nodata": layout.nodata,
        "transform": layout.transform,
        "crs": layout.crs,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "lzw",
        "bigtiff": "if_safer",
        "sparse_ok": True,
    }


def _describe(dataset: DatasetWriter, layout: Layout) -> None:
    dataset.descriptions = layout.bands
    dataset.scales, dataset.offsets = layout.scale, layout.offset
    dataset.update_tags(**layout.tags)


def _read_back(path: Path) -> None:
    """Decode every block: GDAL does not report when the disk fills up while it closes a file."""
    with rasterio.open(path) as dataset:
        for row in range(0, dataset.height, BLOCK):
            dataset.read(window=RasterioWindow(0, row, dataset.width, min(BLOCK, dataset.height - row)))
