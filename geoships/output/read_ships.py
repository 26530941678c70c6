"""Ships read back from the vector files that geoships writes."""

from __future__ import annotations

import warnings
from pathlib import Path

import geopandas
import pyogrio

from geoships.errors import GeoshipsError
from geoships.scene.opening.signatures import VECTOR_MAGIC, read_header

SUFFIXES = (".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".geoparquet")


def read_ships(path: Path) -> geopandas.GeoDataFrame:
    """Ships of a GeoJSON, GeoPackage, FlatGeobuf or GeoParquet file, one a row, with all their attributes.

    The file's first bytes decide what it is, and nothing that points to other files is opened. Raises GeoshipsError.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise GeoshipsError(f"cannot read ships from {path}: its name must end with one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise GeoshipsError(f"{path}: no such file; write one with geoships predict --out")
    header = read_header(path)
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"{") and not header.startswith(tuple(VECTOR_MAGIC)):
        raise GeoshipsError(f"cannot read ships from {path}: it is no GeoJSON, GeoPackage, FlatGeobuf or GeoParquet")
    try:
        if header.startswith(b"PAR1"):
            return geopandas.read_parquet(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # GDAL's remarks on the file's making
            frame = pyogrio.read_dataframe(path, layer=_layer(path))
    except Exception as error:  # pyogrio, pyarrow and geopandas raise errors of their own, without a common base
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GeoshipsError(f"cannot read ships from {path}: {first}; is the file whole?") from error
    if not isinstance(frame, geopandas.GeoDataFrame):  # GeoJSON without a ship has no geometry for GDAL
        frame = geopandas.GeoDataFrame(frame, geometry=[None] * len(frame), crs=None)
    return frame


def _layer(path: Path) -> str:
    """The layer named like the file, or else the first with geometries, or the first."""
    layers = pyogrio.list_layers(path).tolist()
    spatial = [name for name, kind in layers if kind] or [name for name, _ in layers]
    return str(path.stem if path.stem in spatial else spatial[0])
