"""Atomic output files: a file is written completely or not at all."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from geoships.errors import OutputError
from geoships.support.fingerprint import Fingerprint, file_fingerprints
from geoships.support.temporaries import OLDER, PREFIX, temporary_path

_log = logging.getLogger(__name__)
_noted: ContextVar[dict[Path, Fingerprint] | None] = ContextVar("noted", default=None)

# Sidecar files of a GIS or a database. They describe the old content of a file that is replaced.
SIDECARS = (".aux.xml", ".ovr", ".msk", "-journal", "-wal", "-shm")

_ADVICE = {
    errno.ENOENT: "no file can be created in this folder: choose another",
    errno.EACCES: "no permission: choose another folder",
    errno.EPERM: "no permission: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EFBIG: "the file is larger than the file system or a limit of the account allows: choose another disk",
    errno.ENOSPC: "the disk is full: free some space or choose another disk",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another disk",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name, and rename it to `path` when the block ends without an error.

    After an error or an interrupt the temporary file is removed, and an older file at `path` is unchanged.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        The temporary path to write to: hidden, in the same folder, with the same suffix.

    Raises:
        OutputError: The file cannot be written.
    """
    temporary = reserve(path)
    try:
        with output_errors(path):
            yield temporary
        publish(temporary, path)
    finally:
        discard(temporary)


@contextmanager
def atomic_writes(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Write several files under temporary names, and give them their names when the block ends: all or none.

    After an error or an interrupt, or if one of them cannot take its name, older files at `paths` are unchanged.

    Args:
        paths: The files to write, each once. Their folders must exist.

    Yields:
        The temporary path of each, see `reserve`.

    Raises:
        OutputError: A file cannot be written.
    """
    temporaries: list[Path] = []
    try:
        temporaries += [reserve(path) for path in paths]
        with output_errors(paths[0] if len(paths) == 1 else paths[0].parent):
            yield temporaries
        _publish_all(dict(zip(paths, temporaries, strict=True)))
    finally:
        for temporary in temporaries:
            discard(temporary)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files, all or none; see `atomic_writes`.

    Args:
        files: Content of each file.

    Raises:
        OutputError: A file cannot be written.
    """
    with atomic_writes(list(files)) as temporaries:
        for temporary, content in zip(temporaries, files.values(), strict=True):
            temporary.write_bytes(content)


def _publish_all(temporaries: Mapping[Path, Path]) -> None:
    """Give finished files their names; if one cannot have it, the older files get theirs back."""
    older: dict[Path, Path] = {}
    named: list[Path] = []
    try:
        for path, temporary in temporaries.items():
            with output_errors(path):
                if os.path.lexists(path):
                    aside = temporary.with_name(f"{temporary.stem}{OLDER}")
                    path.rename(aside)
                    older[path] = aside
                temporary.replace(path)
            named.append(path)
    except BaseException:
        for path in named:
            path.unlink(missing_ok=True)
        for path, aside in older.items():
            aside.replace(path)
        raise
    for path in temporaries:
        _log.debug("written: %s", path)
        _remove_sidecars(path)  # the older files go with their temporary names


@contextmanager
def noted_files() -> Iterator[dict[Path, Fingerprint]]:
    """Note the files that `publish` gives their names while the block runs, in its thread.

    A fingerprint is taken before its file has its name, so that it is that of what was written here, whatever another
    process writes to the same name.

    Yields:
        Fingerprint of each file, by its absolute path; filled while the block runs.
    """
    files: dict[Path, Fingerprint] = {}
    token = _noted.set(files)
    try:
        yield files
    finally:
        _noted.reset(token)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Convert errors of the operating system, rasterio and pyogrio to an OutputError that names `path`.

    Args:
        path: The file that the block writes.

    Raises:
        OutputError: The block raised one of these errors.
    """
    try:
        yield
    except OSError as error:
        reason = _ADVICE.get(error.errno or 0) or error.strerror or _first_line(error)
        raise OutputError(f"cannot write {path}: {reason}") from error
    except (*_raster_errors(), *_vector_errors()) as error:
        reason = f"{_first_line(error)}; check the free space and the permissions of its folder"
        raise OutputError(f"cannot write {path}: {reason}") from error


def _raster_errors() -> tuple[type[Exception], ...]:
    """Errors of rasterio; none while it is not imported, which takes a while."""
    if "rasterio" not in sys.modules:
        return ()
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    return RasterioError, CPLE_BaseError


def _vector_errors() -> tuple[type[Exception], ...]:
    """Errors of pyogrio, whose import takes long because of geopandas; none while it is not imported."""
    if "pyogrio" not in sys.modules:
        return ()
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

    return DataSourceError, DataLayerError, FeatureError


def real_path(path: str | os.PathLike[str]) -> Path:
    """Absolute path without links, of a file that need not exist.

    Unlike `Path.resolve` it has an answer for links that lead in a circle and for names that are too long.

    Args:
        path: The path.
    """
    return Path(os.path.realpath(path))


def reserve(path: Path) -> Path:
    """Choose a temporary path beside `path`, and check that a file can be created there.

    The caller owns the temporary path, and all files in the folder whose names begin with its stem, until it calls
    `publish` or `discard`.

    Args:
        path: The file to write in the end.

    Returns:
        The temporary path: hidden, in the same folder, with the same suffix. The file does not exist yet.

    Raises:
        OutputError: The folder is missing or not writable, or `path` is a folder.
    """
    if not os.path.isdir(path.parent):  # noqa: PTH112 (False for a name that cannot be)
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    if os.path.isdir(path):  # noqa: PTH112
        raise OutputError(f"cannot write {path}: it is a folder; give a file name")
    temporary = temporary_path(path.parent, path.suffix)
    with output_errors(path):
        temporary.touch(exist_ok=False)
        temporary.unlink()  # GDAL drivers create the file themselves
    return temporary


def publish(temporary: Path, path: Path) -> None:
    """Rename a finished temporary file to `path`, and delete the sidecar files of an older file at `path`.

    Args:
        temporary: The finished file, from `reserve`.
        path: Its final name.

    Raises:
        OutputError: The operating system refuses.
    """
    with output_errors(path):
        noted = _noted.get()
        prints = [] if noted is None else file_fingerprints([temporary])
        temporary.replace(path)
        _remove_sidecars(path)
    if noted is not None and prints:
        noted[path.absolute()] = {**prints[0], "path": str(path.absolute())}
    _log.debug("written: %s", path)


def _remove_sidecars(path: Path) -> None:
    """Delete the sidecar files of an older file: after it is replaced, since they go with it until then."""
    with output_errors(path):
        for sidecar in SIDECARS:
            path.with_name(path.name + sidecar).unlink(missing_ok=True)


def discard(temporary: Path) -> None:
    """Delete a temporary file, and the sidecar files that drivers wrote beside it."""
    with suppress(OSError), os.scandir(temporary.parent) as entries:
        for entry in entries:
            if entry.name.startswith(temporary.stem):
                with suppress(OSError):
                    Path(entry).unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small text file, which appears whole; cheaper than `atomic_write`, which looks for files of drivers.

    Args:
        path: The file to write. Its folder must exist.
        text: Its content.

    Raises:
        OutputError: The file cannot be written.
    """
    temporary = temporary_path(path.parent, path.suffix)
    try:
        with output_errors(path):
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path, owner: str | None = None) -> None:
    """Delete what an owner that was killed has left in a folder, see `owned_temporaries`; None: what any has left."""
    discard(folder / (PREFIX if owner is None else f"{PREFIX}{owner}-"))


def _first_line(error: BaseException) -> str:
    """First line of the deepest cause: rasterio's own text is often "see previous exception for details"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
