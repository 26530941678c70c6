"""Writes the scene of the corpus, in any form: three bright ships on dark water."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

ROWS, COLUMNS = 96, 112
SHIPS = ((8, 10, 4, 20), (40, 60, 8, 8), (80, 20, 5, 12))  # row, column, height and width in pixels
UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)
CRS = "EPSG:32631"


def reflectance(rows: int = ROWS, columns: int = COLUMNS) -> NDArray[np.float64]:
    """The scene: 0.05 on water, 0.9 on ships."""
    values = np.full((rows, columns), 0.05)
    for row, column, height, width in SHIPS:
        values[row : row + height, column : column + width] = 0.9
    return values


def raster(
    path: Path,
    dtype: str = "uint16",
    *,
    scale: float | None = 1e-4,
    bands: tuple[str | None, ...] = ("B04",),
    values: NDArray[np.generic] | None = None,
    driver: str = "GTiff",
    **profile: object,
) -> Path:
    """Write the scene, or other stored values of one band, into every band.

    Args:
        path: The file.
        dtype: Data type.
        scale: Scale tag, by which reflectance is divided before it is stored; None: no tag, stored as reflectance.
        bands: Descriptions of the bands.
        values: Stored values, (rows, columns) or (bands, rows, columns).
        driver: GDAL driver.
        profile: Further options of rasterio; a CRS or transform of None leaves it out.
    """
    if values is None:
        stored = reflectance() / (scale or 1)
        values = (stored.round() if np.dtype(dtype).kind in "iu" else stored).astype(dtype)
    cube = np.broadcast_to(values, (len(bands), *values.shape[-2:]))
    place = {"crs": CRS, "transform": UTM, **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, height=cube.shape[1], width=cube.shape[2], count=len(bands), dtype=dtype,
            **{name: value for name, value in place.items() if value is not None},
        ) as dataset:  # fmt: skip
            dataset.write(cube)
            if driver == "GTiff":
                dataset.descriptions = bands
                if scale is not None:
                    dataset.scales = (scale,) * len(bands)
    return path


VRT = """<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}">{head}{bands}</VRTDataset>"""
PLACE = "<SRS>EPSG:32631</SRS><GeoTransform>500000, 10, 0, 4000000, 0, -10</GeoTransform>"


def vrt(path: Path, sources: tuple[str, ...], *, head: str = PLACE, band: str = "", dtype: str = "UInt16") -> Path:
    """Write a VRT with one band for each source file, which need not exist."""
    bands = "".join(
        f'<VRTRasterBand dataType="{dtype}" band="{number}">{band}<SimpleSource>'
        f'<SourceFilename relativeToVRT="{int("/" not in source)}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for number, source in enumerate(sources, 1)
    )
    path.write_text(VRT.format(rows=ROWS, columns=COLUMNS, head=head, bands=bands), encoding="utf-8")
    return path
