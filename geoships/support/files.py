"""Output files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from geoships.errors import OutputError

# What a GIS or a database keeps beside a file. It describes that file's old content only.
_SIDECARS = (".aux.xml", ".ovr", ".msk", "-journal", "-wal", "-shm")

_ADVICE = {
    errno.ENOENT: "the folder cannot hold new files: choose another",
    errno.EACCES: "no permission: choose another folder",
    errno.EPERM: "no permission: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOSPC: "the disk is full: free some space or choose another disk",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another disk",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name; it gets its own name when the block ends without an error.

    Yields the temporary path: hidden, in the same folder, with the same suffix. After an error, or
    an interrupt, nothing is left and an older file at `path` is untouched.

    Raises OutputError where the file cannot be written.
    """
    temporary = reserve(path)
    try:
        with output_errors(path):
            yield temporary
        publish(temporary, path)
    finally:
        discard(temporary)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system, rasterio and pyogrio into an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        reason = _ADVICE.get(error.errno or 0) or error.strerror or _first_line(error)
        raise OutputError(f"cannot write {path}: {reason}") from error
    except (RasterioError, CPLE_BaseError, DataSourceError, DataLayerError, FeatureError) as error:
        reason = f"{_first_line(error)}; check the free space and the permissions of its folder"
        raise OutputError(f"cannot write {path}: {reason}") from error


def reserve(path: Path) -> Path:
    """Choose a temporary path for `path`, after a proof that a file can be made there.

    It belongs to the caller, together with all files in the folder that begin with its stem, until
    `publish` or `discard`.

    Raises OutputError where the folder is missing or cannot be written to.
    """
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file")
    temporary = path.with_name(f".geoships-{secrets.token_hex(6)}{path.suffix}")
    with output_errors(path):
        temporary.touch(exist_ok=False)
        temporary.unlink()  # GDAL's drivers want to create the file themselves
    return temporary


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its own name; sidecars of an older file at `path` go.

    Raises OutputError where the system refuses.
    """
    with output_errors(path):
        for sidecar in _SIDECARS:
            path.with_name(path.name + sidecar).unlink(missing_ok=True)
        temporary.replace(path)


def discard(temporary: Path) -> None:
    """Remove a temporary file and whatever drivers have put beside it."""
    with suppress(OSError), os.scandir(temporary.parent) as entries:
        for entry in entries:
            if entry.name.startswith(temporary.stem):
                with suppress(OSError):
                    Path(entry).unlink()


def _first_line(error: BaseException) -> str:
    """Quote the deepest cause: rasterio's own text is often "see previous exception for details"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
