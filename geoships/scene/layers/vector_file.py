"""Reads vector files of any format as tables."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from geoships.errors import SceneError
from geoships.scene.opening.signatures import read_header

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    VectorLayer: TypeAlias = Path | GeoDataFrame  # a vector file, or a table that holds the same

VECTOR_SUFFIXES = (".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".geoparquet", ".shp")
SEVERAL_FILES = {  # formats whose layers are several files of one name
    ".shp": (".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".qpj", ".shp.xml"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
}
CHIP_COLUMN = "geometry"  # WKT in longitude and latitude, in the CSV files that geoships writes


def read_vector(path: Path, what: str) -> GeoDataFrame:
    """Read a vector file.

    GeoParquet is recognised by its first bytes and read without GDAL, of which most builds lack the driver. Of a file
    with several layers the one with the file's name is read, or else the first with geometries. Curves become
    polylines with a vertex every four degrees. Rings that are not closed are closed.

    Args:
        path: The file. In a CSV file, a column `geometry` holds WKT in longitude and latitude, as geoships writes it,
            and a column `WKT` holds WKT of an unknown CRS.
        what: Names the file in errors, such as ``the area of interest``.

    Returns:
        The table; a geometry that no library can read is None.

    Raises:
        SceneError: The file cannot be read.
    """
    import geopandas

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # GDAL warns about details of how the file was written
            frame = geopandas.read_parquet(path) if _is_parquet(path) else _read_with_gdal(path)
    except Exception as error:  # pyogrio, pyarrow and geopandas raise unrelated errors
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SceneError(f"cannot read {what} {path}: {first}; the file may be incomplete") from error
    if not isinstance(frame, geopandas.GeoDataFrame):  # GDAL gives GeoJSON without features no geometry column
        frame = geopandas.GeoDataFrame(frame, geometry=[None] * len(frame), crs=None)
    return frame


def vector_files(path: Path) -> Iterator[Path]:
    """The files that are read with a vector file: itself, and those that belong to it, as far as they exist.

    A folder, such as a file geodatabase, stands for all that it holds.
    """
    endings = SEVERAL_FILES.get(path.suffix.lower(), ())
    if path.is_file() and endings:
        beside = path.parent.glob(f"{glob.escape(path.stem)}.*")
        yield from (other for other in beside if other.name[len(path.stem) :].lower() in endings)
    yield path


def vector_layer(given: object, what: str) -> VectorLayer:
    """Take a layer in any form that a program may have it in.

    Args:
        given: Path of a vector file, GeoDataFrame, GeoSeries, or a shapely geometry in the scene's coordinates.
        what: Names the layer in errors, such as ``the area of interest``.

    Returns:
        The path, or a table without a CRS where none is known.

    Raises:
        SceneError: It is something else, or a table without geometries.
    """
    import geopandas
    from shapely.geometry.base import BaseGeometry

    if isinstance(given, (str, os.PathLike)):
        return Path(given)
    if isinstance(given, BaseGeometry):
        return geopandas.GeoDataFrame(geometry=[given])
    if isinstance(given, geopandas.GeoSeries):
        return given.to_frame("geometry")
    if isinstance(given, geopandas.GeoDataFrame) and given.active_geometry_name is not None:
        return given
    raise SceneError(
        f"{what}: expected a vector file, a shapely geometry or a GeoDataFrame with geometries, "
        f"got {type(given).__name__}"
    )


def layer_title(layer: VectorLayer, what: str) -> str:
    """Name of a layer for messages: what it is and its file, if it has one."""
    return f"{what} {layer}" if isinstance(layer, Path) else what


def _is_parquet(path: Path) -> bool:
    return path.is_file() and read_header(path).startswith(b"PAR1")


def _read_with_gdal(path: Path) -> GeoDataFrame:
    import pyogrio

    if path.suffix.lower() != ".csv":
        return pyogrio.read_dataframe(path, layer=_layer(path), on_invalid="fix")
    frame = pyogrio.read_dataframe(path, on_invalid="fix", GEOM_POSSIBLE_NAMES=f"{CHIP_COLUMN},WKT")
    with path.open(encoding="utf-8", errors="replace") as file:
        columns = [name.strip().strip('"') for name in file.readline().split(",")]
    return frame.set_crs(4326) if frame.crs is None and CHIP_COLUMN in columns else frame


def _layer(path: Path) -> str | None:
    """The layer with the name of the file, or else the first layer with geometries, or the first layer.

    A GeoPackage may also have tables without geometries, such as styles.
    """
    import pyogrio

    layers = pyogrio.list_layers(path).tolist()
    spatial = [str(name) for name, kind in layers if kind is not None] or [str(name) for name, _ in layers]
    return path.stem if path.stem in spatial else next(iter(spatial), None)
