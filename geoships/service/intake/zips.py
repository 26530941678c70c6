"""Zips, checked by their table of contents: no bomb, no path out of the folder, no link, no zip in the zip."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath

from geoships.service.intake.kinds import kind_of_header
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits

MOST_ENTRIES = 20_000
HIGHEST_RATIO = 200  # of a member's size to its packed size; deflate cannot pass 1032
FREE_RATIO = 16 << 20  # bytes that a member may have at any ratio
IMAGES = (".tif", ".tiff", ".jp2")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def check_zip(path: Path, name: str, limits: Limits) -> list[str]:
    """Check a zip before anything reads its members.

    Args:
        path: The zip.
        name: Its name, for messages.
        limits: Bytes that it may hold.

    Returns:
        Names of the images in it.

    Raises:
        ProblemError: 413 for one that holds too much, 422 for one that is damaged or refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members, name, limits)
            images = [member for member in members if member.filename.lower().endswith(IMAGES)]
            _check_images(archive, images, name)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise ProblemError(422, f"{name}: the zip is damaged; pack it again", kind="zip") from error
    if not images:
        raise ProblemError(422, f"{name}: the zip holds no .tif or .jp2 image", kind="zip")
    return [member.filename for member in images]


def _check_members(members: list[zipfile.ZipInfo], name: str, limits: Limits) -> None:
    if len(members) > MOST_ENTRIES:
        raise ProblemError(422, f"{name}: the zip has more than {MOST_ENTRIES} members", kind="zip")
    total = sum(member.file_size for member in members)
    if total > limits.unpacked:
        raise ProblemError(413, f"{name}: the zip holds {total} bytes; at most {limits.unpacked} are taken", kind="zip")
    seen: set[str] = set()
    for member in members:
        fault = _fault(member)
        if fault is None and member.filename.lower() in seen:
            fault = "has a name twice"
        if fault:
            raise ProblemError(422, f"{name}: refused, because a member of the zip {fault}", kind="zip")
        seen.add(member.filename.lower())


def _fault(member: zipfile.ZipInfo) -> str | None:
    """What is wrong with a member; None if nothing is."""
    path, text = PurePosixPath(member.filename), member.orig_filename
    if "\\" in text or "\0" in text or path.is_absolute() or ".." in path.parts or ":" in text or len(text) > 1000:
        return "has a path that leads out of its folder, or is not allowed"
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "is a link or a device"
    if member.flag_bits & 0x1:
        return "is encrypted"
    if member.compress_type not in METHODS:
        return "is packed in a way other than deflate"
    packed = max(1, member.compress_size)
    if member.file_size > FREE_RATIO and member.file_size / packed > HIGHEST_RATIO:
        return "unpacks to far more than its packed size"
    if path.suffix.lower() == ".zip":
        return "is a zip itself"
    return None


def _check_images(archive: zipfile.ZipFile, images: list[zipfile.ZipInfo], name: str) -> None:
    """Check the first bytes of images: a VRT may have the name of a TIFF."""
    for member in images:
        with archive.open(member) as file:
            kind_of_header(file.read(1024), f"{name}: {PurePosixPath(member.filename).name}"[:200])
