"""Read ships from the vector files that geoships writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geoships.errors import GeoshipsError
from geoships.scene.layers.vector_file import read_vector
from geoships.scene.opening.signatures import VECTOR_MAGIC, read_header

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SUFFIXES = (".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".geoparquet")


def read_ships(path: Path) -> GeoDataFrame:
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
    return read_vector(path, "the ships")
