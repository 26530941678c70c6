"""Clouds and water by the scene classification (SCL) that Sentinel-2 products of level 2A have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from geoships.errors import SceneError
from geoships.scene.observed.grid import CellGrid
from geoships.scene.observed.kinds import Kind
from geoships.scene.opening.band_files import BandFile
from geoships.scene.opening.raster import gdal_env, open_named

# By the number of the class: no data, saturated or defective, dark area (or shadow of terrain), cloud shadow,
# vegetation, not vegetated, water, unclassified, cloud of medium and high probability, thin cirrus, snow or ice.
KINDS = (
    Kind.NO_DATA, Kind.NO_DATA, Kind.SURFACE, Kind.SHADOW, Kind.LAND, Kind.LAND, Kind.SEA, Kind.SURFACE,
    Kind.CLOUD, Kind.CLOUD, Kind.CLOUD, Kind.SURFACE,
)  # fmt: skip


def read_classes(file: BandFile, grid: CellGrid, *, trust_vrt: bool = False) -> NDArray[np.uint8]:
    """Read a scene classification.

    Args:
        file: The classification.
        grid: Cells of the scene, which has a geotransform.
        trust_vrt: As for `open_scene`.

    Returns:
        Codes of `Kind`, (rows, columns) of the grid: each cell is that of the classification at its middle.

    Raises:
        SceneError: It cannot be read, or has no place on Earth.
    """
    source, dataset = open_named(file.href, trust_vrt=trust_vrt)
    place = grid.georeference
    with gdal_env(source), dataset:
        if dataset.crs is None or place.transform is None or place.crs is None:
            raise SceneError(f"{source.public_name}: the scene classification has no place on Earth; try --no-observed")
        try:
            with WarpedVRT(
                dataset, crs=place.crs.to_wkt(), transform=place.transform @ grid.to_pixels, height=grid.shape[0],
                width=grid.shape[1], resampling=Resampling.nearest,
            ) as warped:  # fmt: skip
                classes = warped.read(file.index)
        except RasterioError as error:
            raise SceneError(
                f"{source.public_name}: the scene classification cannot be read; copy it again, or give --no-observed"
            ) from error
    table = np.full(max(256, len(KINDS)), Kind.NO_DATA, np.uint8)
    table[: len(KINDS)] = KINDS
    return np.asarray(table[np.minimum(classes, 255)])
