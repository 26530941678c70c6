"""What a local file holds, judged by its first bytes and never by its name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from geoships.errors import SceneError

HEADER_BYTES = 1024  # as many as GDAL looks at to recognise a VRT

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

# A picture whose first bytes also hold one of these would be taken by a driver that GDAL asks earlier.
FOREIGN_MARKS = (b"<vrtdataset", b"<gdal_wms", b"<gdal_wmts", b"<gdaltileindexdataset")


def read_header(path: Path) -> bytes:
    """Return the first 1,024 bytes of a file. Raises SceneError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def is_vrt(header: bytes) -> bool:
    """Whether GDAL would take a file that starts so for a VRT, or a reader of the file would."""
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"<") and b"<vrtdataset" in header.lower()


def is_plain_raster(header: bytes) -> bool:
    """Whether the first bytes are those of one picture format, and of no format that points to other files."""
    return header.startswith(RASTER_MAGIC) and not any(mark in header.lower() for mark in FOREIGN_MARKS)


def vector_format(header: bytes) -> str | None:
    """Return what to call a vector file that starts so; None where it does not look like one."""
    for magic, title in VECTOR_MAGIC.items():
        if header.startswith(magic):
            return title
    text = header.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "a JSON file (GeoJSON, perhaps)"
    if text.startswith(b"<") and (b"<kml" in text or b"<gml" in text or b"FeatureCollection" in text):
        return "a KML or GML file"
    return None


def check_sidecars(paths: Iterable[Path]) -> None:
    """Raise SceneError where an overview (.ovr) or mask (.msk) file beside one of the paths is no picture.

    GDAL opens such files with every driver it has, so that one of them could point anywhere.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name.lower())
    for folder, known in names.items():
        for file in _sidecars(folder, known):
            if not is_plain_raster(read_header(file)):
                raise SceneError(
                    f"{file}: refused, because it is used as overview or mask and is no picture; remove it"
                )


def _sidecars(folder: Path, known: set[str]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.name.lower().endswith((".ovr", ".msk"))]
    except OSError:  # a folder that lets files be opened and not be listed: GDAL cannot list it either
        return []
    return [folder / name for name in found if _without_sidecar_suffixes(name.lower()) in known]


def _without_sidecar_suffixes(name: str) -> str:
    while name.endswith((".ovr", ".msk")):  # .ovr.msk is a mask of an overview
        name = name[:-4]
    return name
