"""Unpacks untrusted zip archives: with no path outside the folder, a size limit, and all files or none."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from geoships.errors import GeoshipsError, OutputError
from geoships.support.files import output_errors

MAX_BYTES = 16 << 30  # of all files, unpacked
MAX_FILES = 1_000_000


def unpack(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES, replace: bool = False) -> list[str]:
    """Unpack a zip file into a folder.

    All members are checked before the first is written, and each CRC while it is written. The files appear in `folder`
    after the last one has been unpacked.

    Args:
        archive: The zip file.
        folder: Existing folder to unpack to.
        max_bytes: Maximum size of all files together.
        replace: Replace files and folders with the same names.

    Returns:
        Names of the files, relative to `folder`.

    Raises:
        GeoshipsError: The archive is damaged, encrypted or too large, or has links or paths outside the folder.
        OutputError: The folder has too little space, or already has one of the names.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            _check_members(archive, members, max_bytes)
            names = sorted({PurePosixPath(member.filename).parts[0] for member in members})
            _check_target(folder, names, sum(member.file_size for member in members), replace)
            with output_errors(folder), TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
                for member in members:
                    zipped.extract(member, scratch)
                for name in names:
                    _move(Path(scratch) / name, folder / name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise GeoshipsError(f"{archive}: the archive is damaged ({error}); delete it and download it again") from error
    return [member.filename for member in members]


def _check_members(archive: Path, members: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    if not members:
        raise GeoshipsError(f"{archive}: the archive has no file")
    size = sum(member.file_size for member in members)
    if size > max_bytes or len(members) > MAX_FILES:
        raise GeoshipsError(
            f"{archive}: expected at most {max_bytes / 2**30:.1f} GiB in {MAX_FILES} files, got "
            f"{size / 2**30:.1f} GiB in {len(members)} files"
        )
    for member in members:
        name = PurePosixPath(member.filename)
        outside = name.is_absolute() or ".." in name.parts or ":" in member.filename or "\\" in member.filename
        if outside or stat.S_ISLNK(member.external_attr >> 16) or not name.parts:
            raise GeoshipsError(
                f"{archive}: the archive is refused: {member.filename!r} is a link or a path outside the folder"
            )
        if member.flag_bits & 1:
            raise GeoshipsError(f"{archive}: the archive is encrypted; unpack it yourself")


def _check_target(folder: Path, names: Sequence[str], size: int, replace: bool) -> None:
    existing = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if existing and not replace:
        raise OutputError(f"{folder} already has {', '.join(existing)}; choose an empty folder or use --overwrite")
    if (free := shutil.disk_usage(folder).free) < size:
        raise OutputError(f"{folder}: {size / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free; choose another disk")


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    source.rename(target)
