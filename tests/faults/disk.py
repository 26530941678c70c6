"""A disk on which the nth operation fails: opening, writing, reading or renaming a file of one folder."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pyogrio
import pytest
import rasterio
import rasterio.io
import rasterio.shutil
from rasterio.errors import RasterioIOError

CODES = (errno.ENOSPC, errno.EIO)


class Disk:
    """Counts the operations on files of a folder, and lets one of them fail.

    Args:
        folder: The folder.
        failing: Number of the operation that fails, from 1: by turns as on a full disk and as on a broken one.
    """

    def __init__(self, folder: Path, failing: int) -> None:
        self.folder, self.failing, self.count = folder, failing, 0

    @property
    def failed(self) -> bool:
        """Whether the operation was reached."""
        return self.count >= self.failing

    def here(self, path: object) -> bool:
        """Whether a path is in the folder."""
        return isinstance(path, (str, os.PathLike)) and Path(path).absolute().is_relative_to(self.folder)

    def fails(self) -> bool:
        """Count an operation; whether it is the one that fails."""
        self.count += 1
        return self.count == self.failing

    def error(self, path: object) -> OSError:
        code = CODES[self.failing // 2 % 2]
        return OSError(code, os.strerror(code), str(path))


@contextmanager
def failing_disk(folder: Path, failing: int) -> Iterator[Disk]:
    """Let the nth operation on files of a folder fail, in Python's files, rasterio, pyogrio and pyarrow."""
    disk = Disk(folder, failing)
    with pytest.MonkeyPatch.context() as patch:
        _fail_python(disk, patch)
        _fail_gdal(disk, patch)
        yield disk


def _fail_python(disk: Disk, patch: pytest.MonkeyPatch) -> None:
    really_open = io.open

    def opened(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        if not disk.here(path):
            return really_open(path, mode, *more, **options)
        if disk.fails():
            raise disk.error(path)
        file = really_open(path, mode, *more, **options)
        if set(mode) & set("wax+"):
            file.write = _torn(disk, path, file.write)
        return file

    patch.setattr(io, "open", opened)
    patch.setattr(builtins, "open", opened)
    for name in ("open", "replace", "rename", "link"):
        patch.setattr(os, name, _failing(disk, getattr(os, name)))


def _torn(disk: Disk, path: object, write: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A write of which only the first half arrives when it fails."""

    def written(content: Any) -> Any:
        if not disk.fails():
            return write(content)
        write(content[: len(content) // 2])
        raise disk.error(path)

    return written


def _failing(disk: Disk, function: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Any, *more: Any, **options: Any) -> Any:
        if disk.here(path) and disk.fails():
            raise disk.error(path)
        return function(path, *more, **options)

    return called


def _fail_gdal(disk: Disk, patch: pytest.MonkeyPatch) -> None:
    def method(name: str, of: type) -> None:
        function = getattr(of, name)

        def called(dataset: Any, *more: Any, **options: Any) -> Any:
            if disk.here(dataset.name) and disk.fails():
                raise RasterioIOError(f"{name} failed: {disk.error(dataset.name)}")
            return function(dataset, *more, **options)

        patch.setattr(of, name, called)

    method("read", rasterio.io.DatasetReader)
    method("write", rasterio.io.DatasetWriter)
    for module, name, position in (
        (rasterio, "open", 0), (rasterio.shutil, "copy", 1), (pyogrio, "write_dataframe", 1),
        (pyarrow.parquet, "write_table", 1),
    ):  # fmt: skip
        patch.setattr(
            module, name, _half_done(disk, getattr(module, name), position, module in (rasterio, rasterio.shutil))
        )


def _half_done(disk: Disk, function: Callable[..., Any], position: int, of_rasterio: bool) -> Callable[..., Any]:
    """A function that leaves half a file when it fails."""

    def called(*given: Any, **options: Any) -> Any:
        path = given[position] if len(given) > position else None
        if not (disk.here(path) and disk.fails()):
            return function(*given, **options)
        if position:  # it writes
            function(*given, **options)
            os.truncate(path, Path(path).stat().st_size // 2)
        raise RasterioIOError(str(disk.error(path))) if of_rasterio else disk.error(path)

    return called
