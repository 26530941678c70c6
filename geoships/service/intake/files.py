"""Writes what is uploaded to files, as it comes in."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from geoships.service.intake.room import disk_full

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the errors of a full disk into the answer 507."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full() from error
        raise


class Incoming:
    """A file that is being written, with the hash of what it holds.

    Use it as a context manager: at the end the file is on the disk for good.

    Args:
        path: The file, which must not exist.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, 0
        self._hash = hashlib.sha256()
        with disk_errors():
            self._file: BinaryIO = path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with disk_errors():
            self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        """Hash of the bytes so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with disk_errors():
                    self._file.flush()
                    os.fsync(self._file.fileno())
        finally:
            self._file.close()


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk for good, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
