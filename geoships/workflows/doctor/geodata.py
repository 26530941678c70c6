"""GDAL with its drivers, and PROJ with its data."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyproj
import rasterio
from pyproj._network import is_network_enabled
from pyproj.transformer import TransformerGroup
from rasterio.errors import RasterioError

from geoships.scene.opening.raster import gdal_env
from geoships.workflows.doctor.finding import Finding

RASTERS = {"GTiff": "GeoTIFF scenes", "COG": "masks and scores", "VRT": "Sentinel-2 products and bands in files"}
MORE_RASTERS = {
    "JP2OpenJPEG": "JPEG 2000, as in Sentinel-2 products", "PNG": "chips", "JPEG": "chips",
    "netCDF": "NetCDF scenes", "HDF5": "HDF5 scenes",
}  # fmt: skip
VECTORS = ("GeoJSON", "GPKG", "FlatGeobuf")
MORE_VECTORS = ("ESRI Shapefile", "KML")
VARIABLES = ("GDAL_DATA", "PROJ_DATA", "PROJ_LIB", "GDAL_DRIVER_PATH")
ZONE = 32631
ADVICE = "install rasterio from PyPI, whose GDAL has it: pip install --force-reinstall --no-cache-dir rasterio"


def check_geodata() -> Iterator[Finding]:
    """GDAL's versions and drivers, and whether PROJ finds its data."""
    topic = "GDAL and PROJ"
    yield Finding(topic, "GDAL of rasterio", rasterio.__gdal_version__)
    yield from _raster_drivers(topic)
    if importlib.util.find_spec("pyogrio") is None:
        yield Finding(
            topic, "GDAL of pyogrio", "not installed", "note", "for GeoPackage, FlatGeobuf and files of areas"
        )
    else:
        yield from _vector_drivers(topic)
    yield from _projections(topic)
    for name in VARIABLES:
        if value := os.environ.get(name):
            yield _variable(topic, name, value)


def _raster_drivers(topic: str) -> Iterator[Finding]:
    with gdal_env() as env:
        built = set(env.drivers())
    for driver, use in {**RASTERS, **MORE_RASTERS}.items():
        if driver in built:
            yield Finding(topic, f"driver {driver}", use)
        else:
            state = "broken" if driver in RASTERS else "note"
            yield Finding(
                topic, f"driver {driver}", f"missing: {use}", "broken" if state == "broken" else "note", ADVICE
            )


def _vector_drivers(topic: str) -> Iterator[Finding]:
    import pyogrio

    yield Finding(topic, "GDAL of pyogrio", ".".join(map(str, pyogrio.__gdal_version__)))
    built = pyogrio.list_drivers()
    advice = "install pyogrio from PyPI: pip install --force-reinstall pyogrio"
    for driver in (*VECTORS, *MORE_VECTORS):
        needed = driver in VECTORS
        able = built.get(driver, "")
        if "w" in able or (able and not needed):
            yield Finding(topic, f"driver {driver}", "reads and writes" if "w" in able else "reads")
        else:
            yield Finding(topic, f"driver {driver}", "missing", "broken" if needed else "note", advice)


def _projections(topic: str) -> Iterator[Finding]:
    folder = pyproj.datadir.get_data_dir()
    advice = "unset PROJ_DATA and PROJ_LIB, or install pyproj and rasterio again from PyPI"
    try:
        x, _ = pyproj.Transformer.from_crs(4326, ZONE, always_xy=True).transform(3.0, 0.0)
        works = abs(x - 500_000) < 1
    except Exception as error:  # pyproj's errors, and those of its database
        yield Finding(topic, "PROJ of pyproj", f"{pyproj.proj_version_str}, {folder}: {error}", "broken", advice)
    else:
        state = "ok" if works else "broken"
        yield Finding(
            topic, "PROJ of pyproj", f"{pyproj.proj_version_str}, {folder}", "ok" if works else "broken",
            "" if state == "ok" else advice,
        )  # fmt: skip
        yield _grids(topic)
    try:
        rasterio.crs.CRS.from_epsg(ZONE).to_wkt()
    except (RasterioError, ValueError) as error:
        yield Finding(topic, "PROJ of rasterio", str(error).splitlines()[0], "broken", advice)
    else:
        yield Finding(topic, "PROJ of rasterio", "finds its data")


def _grids(topic: str) -> Finding:
    """Whether PROJ may fetch grids of datum shifts; without them it takes transformations that are metres off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the missing grid, which is what the finding says
        group = TransformerGroup(4267, 4326)  # NAD27, whose best transformation needs a grid
    if is_network_enabled() or group.best_available:
        return Finding(topic, "datum grids", "installed, or fetched when needed")
    return Finding(
        topic, "datum grids", "not installed", "note",
        "only for scenes or areas in old datums such as NAD27, which lie metres off without: set PROJ_NETWORK=ON",
    )  # fmt: skip


def _variable(topic: str, name: str, value: str) -> Finding:
    folders = [Path(part) for part in value.split(os.pathsep) if part]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        return Finding(
            topic, name, f"{value}: no such folder", "broken", f"unset {name}: the packages find their own data"
        )
    return Finding(topic, name, value, "note", f"set for another installation? if transformations fail, unset {name}")
