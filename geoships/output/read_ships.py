"""Read ships from the vector files that geoships writes."""

from __future__ import annotations

import warnings
from pathlib import Path

import geopandas
import pyogrio

from geoships.errors import GeoshipsError
from geoships.scene.opening.signatures import VECTOR_MAGIC, read_header

SUFFIXES = (".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".geoparquet")


def read_ships(path: Path) -> geopandas.GeoDataFrame:
    """Read ships from a GeoJSON, GeoPackage, FlatGeobuf or GeoParquet file.

    The format is checked by the file's first bytes, so that formats which refer to other files are never opened.

    Args:
        path: The file; its extension must be one of SUFFIXES.

    Returns:
        One row per ship with all attributes, in the file's CRS.

    Raises:
        GeoshipsError: For a missing file, another format, and a file that cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise GeoshipsError(f"cannot read ships from {path}: its name must end with one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise GeoshipsError(f"{path}: no such file; write one with geoships predict --out")
    header = read_header(path)
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"{") and not header.startswith(tuple(VECTOR_MAGIC)):
        raise GeoshipsError(
            f"cannot read ships from {path}: it is not a GeoJSON, GeoPackage, FlatGeobuf or GeoParquet file"
        )
    try:
        if header.startswith(b"PAR1"):
            return geopandas.read_parquet(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # GDAL warns about details of how the file was written
            frame = pyogrio.read_dataframe(path, layer=_layer(path))
    except Exception as error:  # pyogrio, pyarrow and geopandas raise unrelated errors
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GeoshipsError(f"cannot read ships from {path}: {first}; the file may be incomplete") from error
    if not isinstance(frame, geopandas.GeoDataFrame):  # GDAL gives GeoJSON without features no geometry column
        frame = geopandas.GeoDataFrame(frame, geometry=[None] * len(frame), crs=None)
    return frame


def _layer(path: Path) -> str:
    """The layer with the name of the file, or else the first layer with geometries, or the first layer."""
    layers = pyogrio.list_layers(path).tolist()
    spatial = [name for name, kind in layers if kind] or [name for name, _ in layers]
    return str(path.stem if path.stem in spatial else spatial[0])
