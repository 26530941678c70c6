"""A raster of several bands as a Cloud Optimized GeoTIFF, written window by window."""

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

from geoships.scene.tiling.windows import Window
from geoships.support.files import discard, output_errors, publish, reserve

BLOCK = 512  # rows and columns of a block
CACHE_BYTES = 32 * 2**20  # GDAL's own default is 5 % of the machine's memory


@dataclass(frozen=True)
class Layout:
    """What a raster is to hold.

    height, width: in pixels. dtype: of the stored numbers. transform, crs: its place.
    bands: descriptions. scale, offset: of each band; value = number * scale + offset.
    nodata: stored number of pixels without data. tags: more metadata.
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
    """Write a raster. It appears whole: nothing is left after an error, and an older file stays as it was.

    pixels: windows and their stored numbers (bands, rows, columns); what they leave out has no data. No more than one
    of them is held at a time, and none is copied.

    Raises OutputError where the file cannot be written, and whatever `pixels` raises.
    """
    temporary = reserve(path)
    rows = temporary.with_name(f"{temporary.stem}-rows.tif")
    try:
        with output_errors(path), rasterio.open(rows, "w", **_profile(layout)) as dataset:
            _describe(dataset, layout)
        for window, values in pixels:
            area = RasterioWindow(window.column, window.row, window.width, window.height)
            # Opened anew, so that its blocks do not stay in GDAL's cache.
            with output_errors(path), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), rasterio.open(rows, "r+") as dataset:
                dataset.write(values, window=area)
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
    """Decode every block: GDAL does not report a disk that fills up while it closes a file."""
    with rasterio.open(path) as dataset:
        for row in range(0, dataset.height, BLOCK):
            dataset.read(window=RasterioWindow(0, row, dataset.width, min(BLOCK, dataset.height - row)))
