"""Unpacking archives from elsewhere: nothing outside the folder, nothing larger than allowed, all or nothing."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from geoships.errors import GeoshipsError, OutputError
from geoships.support.files import output_errors

LARGEST = 16 << 30  # bytes that an archive may hold, unpacked
MOST_FILES = 1_000_000


def unpack(archive: Path, folder: Path, *, largest: int = LARGEST, replace: bool = False) -> list[str]:
    """Unpack a zip file into a folder; returns the names of the files, relative to it.

    All members are checked before the first is written, and every CRC while they are. Files appear in `folder`
    after the last one has been unpacked.

    largest: bytes that the files may have together. replace: take the place of files and folders of the same name.
    Raises GeoshipsError for archives that are damaged, too large, or hold links or names that lead elsewhere;
    OutputError where the folder has no room, or holds one of the names already.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            _check(archive, members, largest)
            tops = sorted({PurePosixPath(member.filename).parts[0] for member in members})
            _check_room(folder, tops, sum(member.file_size for member in members), replace)
            with output_errors(folder), TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
                for member in members:
                    zipped.extract(member, scratch)
                for top in tops:
                    _move(Path(scratch) / top, folder / top)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise GeoshipsError(f"the archive {archive} is damaged ({error}); delete it and download it again") from error
    return [member.filename for member in members]


def _check(archive: Path, members: Sequence[zipfile.ZipInfo], largest: int) -> None:
    if not members:
        raise GeoshipsError(f"the archive {archive} holds no file")
    size = sum(member.file_size for member in members)
    if size > largest or len(members) > MOST_FILES:
        raise GeoshipsError(
            f"the archive {archive} would unpack to {size / 2**30:.1f} GiB in {len(members)} files; "
            f"no more than {largest / 2**30:.1f} GiB in {MOST_FILES} files are allowed"
        )
    for member in members:
        name = PurePosixPath(member.filename)
        elsewhere = name.is_absolute() or ".." in name.parts or ":" in member.filename or "\\" in member.filename
        if elsewhere or stat.S_ISLNK(member.external_attr >> 16) or not name.parts:
            raise GeoshipsError(
                f"the archive {archive} is refused: {member.filename!r} is a link or leads out of the folder"
            )
        if member.flag_bits & 1:
            raise GeoshipsError(f"the archive {archive} is encrypted; unpack it yourself")


def _check_room(folder: Path, tops: Sequence[str], size: int, replace: bool) -> None:
    present = [top for top in tops if (folder / top).exists() or (folder / top).is_symlink()]
    if present and not replace:
        raise OutputError(f"{folder} holds {', '.join(present)} already; choose an empty folder, or give --force")
    if (free := shutil.disk_usage(folder).free) < size:
        raise OutputError(f"{folder} has {free / 2**30:.1f} GiB of free space; {size / 2**30:.1f} GiB are needed")


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    source.rename(target)
