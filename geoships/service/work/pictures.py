"""Pictures of a job's scene: a stretched RGB raster for tiles, a picture, and a thumbnail."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.windows import Window as RasterioWindow

from geoships.scene.opening.band_files import SceneName
from geoships.scene.quicklook import Quicklook, open_quicklook
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write, discard, output_errors, publish, reserve

BLOCK = 512
ROWS = 1024  # that are read at a time
PICTURE, THUMBNAIL = 2048, 320  # pixels of the longer side
CACHE_BYTES = 64 << 20


def write_pictures(scene: SceneName, folder: Path, *, skip: bool = False) -> None:
    """Write ``picture.webp``, ``thumbnail.webp`` and, for a scene with a plain georeference, ``scene.tif``.

    The raster is what tiles are made of, so that the service itself reads only files that it has written. Its contrast
    is that of `geoships view`.

    Args:
        scene: The scene.
        folder: Where the files go.
        skip: Show parts that cannot be read as parts without data.

    Raises:
        GeoshipsError: The scene cannot be read, or a file cannot be written.
    """
    with open_quicklook(scene, size=PICTURE, skip=skip) as look:
        image = Image.fromarray(np.dstack([look.overview.image, look.overview.valid.astype(np.uint8) * 255]))
        _write_webp(image, folder / "picture.webp")
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        _write_webp(image, folder / "thumbnail.webp")
        if look.georeference.placed and look.georeference.transform is not None:
            _write_raster(look, folder / "scene.tif")


def _write_webp(image: Image.Image, path: Path) -> None:
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=85, method=3)
    with atomic_write(path) as temporary:
        temporary.write_bytes(file.getvalue())


def _write_raster(look: Quicklook, path: Path) -> None:
    """Write the whole scene as 8-bit RGB with a mask, as a Cloud Optimized GeoTIFF."""
    temporary, grid = reserve(path), look.georeference
    plain = temporary.with_name(f"{temporary.stem}-plain.tif")
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": 3, "dtype": "uint8", "crs": grid.crs,
        "transform": grid.transform, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "photometric": "RGB",
        "bigtiff": "if_safer",
    }  # fmt: skip
    try:
        with (
            output_errors(path),
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_CACHEMAX=CACHE_BYTES),
            rasterio.open(plain, "w", **profile) as dataset,
        ):
            for row in range(0, grid.height, ROWS):
                window = Window(row, 0, min(ROWS, grid.height - row), grid.width)
                image, valid = look.read_exact(window)
                target = RasterioWindow(0, row, grid.width, window.height)
                dataset.write(np.moveaxis(image, 2, 0), window=target)
                dataset.write_mask(valid, window=target)
        with output_errors(path), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            rasterio.shutil.copy(
                plain, temporary, driver="COG", blocksize=BLOCK, compress="JPEG", quality=90,
                overview_resampling="average", bigtiff="if_safer",
            )  # fmt: skip
        publish(temporary, path)
    finally:
        discard(temporary)
