"""Format of a local file, from its first bytes and never from its name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from geoships.errors import SceneError

HEADER_BYTES = 1024  # GDAL reads as many to recognise a VRT

RASTER_MAGIC = (
    b"II*\0",  # TIFF, little and big endian, classic and BigTIFF
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000: file, codestream
    b"\xff\x4f\xff\x51",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"BM",
    b"GIF87a",
    b"GIF89a",
    b"RIFF",  # WebP
    b"EHFA_HEADER_TAG",  # Erdas Imagine
)

VECTOR_MAGIC = {
    b"\0\0\x27\x0a": "a shapefile",
    b"SQLite format 3\0": "a GeoPackage or SQLite database",
    b"fgb\x03": "a FlatGeobuf file",
    b"PAR1": "a Parquet file",
}

# An image file whose first bytes also contain one of these would be opened by another driver, which GDAL tries earlier.
FOREIGN_MARKS = (b"<vrtdataset", b"<gdal_wms", b"<gdal_wmts", b"<gdaltileindexdataset")


def read_header(path: Path) -> bytes:
    """Read the first 1,024 bytes of a file.

    Args:
        path: The file.

    Returns:
        The bytes, fewer if the file is shorter.

    Raises:
        SceneError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def is_vrt(header: bytes) -> bool:
    """Whether a file with this header is a VRT for GDAL or for an XML parser."""
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"<") and b"<vrtdataset" in header.lower()


def is_plain_raster(header: bytes) -> bool:
    """Whether a file with this header is an image, in no format that refers to other files."""
    return header.startswith(RASTER_MAGIC) and not any(mark in header.lower() for mark in FOREIGN_MARKS)


def vector_format(header: bytes) -> str | None:
    """Name of the vector format of a file with this header, e.g. 'a shapefile'; None if it is not a vector file."""
    for magic, format_name in VECTOR_MAGIC.items():
        if header.startswith(magic):
            return format_name
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "a JSON file (GeoJSON, perhaps)"
    if text.startswith(b"<") and (b"<kml" in text or b"<gml" in text or b"FeatureCollection" in text):
        return "a KML or GML file"
    return None


def check_sidecars(paths: Iterable[Path]) -> None:
    """Check that the overview (.ovr) and mask (.msk) files beside rasters are image files.

    GDAL opens these sidecar files with any of its drivers, so they could refer to any other file.

    Args:
        paths: The rasters.

    Raises:
        SceneError: A sidecar file is not an image file.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name.lower())
    for folder, known in names.items():
        for file in _sidecars(folder, known):
            if not is_plain_raster(read_header(file)):
                raise SceneError(f"{file}: refused, because it is used as overview or mask but is no image; remove it")


def _sidecars(folder: Path, known: set[str]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.lower().endswith((".ovr", ".msk"))]
    except OSError:  # a folder without permission to list it: GDAL cannot list it either
        return []
    return [folder / name for name in names if _without_sidecar_suffixes(name.lower()) in known]


def _without_sidecar_suffixes(name: str) -> str:
    while name.endswith((".ovr", ".msk")):  # .ovr.msk is the mask of an overview
        name = name[:-4]
    return name
