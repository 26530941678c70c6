"""What an uploaded file is, by its first bytes: only kinds that refer to no other file are taken."""

from __future__ import annotations

from pathlib import Path

from geoships.scene.opening.signatures import is_plain_raster, is_vrt, vector_format
from geoships.service.problems import ProblemError

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
TAKEN = "GeoTIFF, JPEG 2000, PNG or JPEG, or a zip of a .SAFE product or of such files"

# Drivers that GDAL may use for what was uploaded; each reads the given file alone.
DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG")

_KINDS = {
    "tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "zip": ZIP,
}


def kind_of(path: Path, name: str) -> str:
    """The kind of a file: tif, jp2, png, jpg or zip.

    Args:
        path: The file.
        name: Its name, for the message.

    Raises:
        ProblemError: 422 for an empty file, and 415 for all other kinds.
    """
    with path.open("rb") as file:
        header = file.read(1024)
    return kind_of_header(header, name)


def kind_of_header(header: bytes, name: str) -> str:
    """The kind of a file by its first 1,024 bytes, see `kind_of`."""
    if not header:
        raise ProblemError(422, f"{name}: the file is empty; copy it again", kind="empty")
    kind = next((kind for kind, magic in _KINDS.items() if header.startswith(magic)), None)
    if kind is None:
        what = vector_format(header) or ("a VRT, which may refer to any file" if is_vrt(header) else "no such file")
        raise ProblemError(415, f"{name}: is {what}; send a {TAKEN}", kind="not-a-scene")
    if kind != "zip" and not is_plain_raster(header):
        raise ProblemError(415, f"{name}: another format is hidden in the image; send a {TAKEN}", kind="not-a-scene")
    return kind
