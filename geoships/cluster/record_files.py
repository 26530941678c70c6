"""Where the records of a run lie: in a folder, or in an object store."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import filelock

from geoships.cluster.lease import take
from geoships.errors import OutputError
from geoships.support.files import output_errors, remove_temporaries, write_text
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import exists, listing, read, write
from geoships.support.remote.upload import remove_scratch

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
AT_A_TIME = 16  # objects that are read from a store at a time


class RecordFiles(Protocol):
    """Small files that appear whole, and claims on them."""

    def read(self, path: Path) -> bytes | None:
        """Content of a file; None if there is none.

        Raises:
            OutputError: It cannot be read.
        """

    def read_all(self, paths: Sequence[Path]) -> dict[Path, bytes]:
        """Contents of the files that are there."""

    def write(self, path: Path, text: str) -> None:
        """Write or replace a file.

        Raises:
            OutputError: It cannot be written.
        """

    def names(self, folder: Path) -> list[Path]:
        """The ``.json`` files below a folder, in the order of their names; hidden ones are left out."""

    def present(self, folder: Path) -> bool:
        """Whether there is such a folder."""

    def claim(self, path: Path) -> AbstractContextManager[bool]:
        """Yield once, while the claim is held: whether it is ours."""

    def remove_claim(self, path: Path) -> None:
        """Delete the file of a claim that is held, and is not needed again."""

    def remove_leftovers(self, owner: str, folders: Sequence[Path]) -> None:
        """Delete what an owner that was killed has left half written."""


class FolderFiles:
    """Records in a folder. A claim is a lock, which the system takes back from a process that dies."""

    def read(self, path: Path) -> bytes | None:
        """As in `RecordFiles`."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"cannot read the record {path}: {error.strerror}; check its permissions") from error

    def read_all(self, paths: Sequence[Path]) -> dict[Path, bytes]:
        """As in `RecordFiles`."""
        return {path: content for path in paths if (content := self.read(path)) is not None}

    def write(self, path: Path, text: str) -> None:
        """As in `RecordFiles`."""
        self._make_folder(path.parent)
        write_text(path, text)

    def names(self, folder: Path) -> list[Path]:
        """As in `RecordFiles`."""
        return sorted(path for path in folder.rglob("*.json") if not path.name.startswith("."))

    def present(self, folder: Path) -> bool:
        """As in `RecordFiles`."""
        return folder.is_dir()

    @contextmanager
    def claim(self, path: Path) -> Iterator[bool]:
        """As in `RecordFiles`. On a file system without locks all claims are ours."""
        self._make_folder(path.parent)
        lock = filelock.FileLock(path, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            yield False
            return
        except NotImplementedError:
            pass  # a system without file locks, as NO_LOCKS below: runs on one folder are then not kept apart
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise OutputError(f"cannot lock {path}: {error.strerror}; check its permissions") from error
        try:
            yield True
        finally:
            lock.release()

    def remove_claim(self, path: Path) -> None:
        """As in `RecordFiles`."""
        path.unlink(missing_ok=True)

    def remove_leftovers(self, owner: str, folders: Sequence[Path]) -> None:
        """As in `RecordFiles`."""
        for folder in folders:
            remove_temporaries(folder, owner)

    @staticmethod
    def _make_folder(path: Path) -> None:
        with output_errors(path):
            path.mkdir(parents=True, exist_ok=True)


class StoredFiles:
    """Records in an object store. A claim is an object that expires, see `geoships.cluster.lease`."""

    def read(self, path: Path) -> bytes | None:
        """As in `RecordFiles`."""
        found = read(self._address(path))
        return found.content if found else None

    def read_all(self, paths: Sequence[Path]) -> dict[Path, bytes]:
        """As in `RecordFiles`: those that a listing has, some at a time, since each read costs a round trip."""
        if not paths:
            return {}
        there = set(listing(self._address(_common(paths))))
        wanted = [path for path in paths if path in there]
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="records") as pool:
            contents = dict(zip(wanted, pool.map(self.read, wanted), strict=True))
        return {path: content for path, content in contents.items() if content is not None}

    def write(self, path: Path, text: str) -> None:
        """As in `RecordFiles`."""
        write(self._address(path), text.encode())

    def names(self, folder: Path) -> list[Path]:
        """As in `RecordFiles`."""
        return [path for path in listing(self._address(folder)) if path.suffix == ".json" and path.name[0] != "."]

    def present(self, folder: Path) -> bool:
        """As in `RecordFiles`."""
        return next(listing(self._address(folder)), None) is not None

    @contextmanager
    def claim(self, path: Path) -> Iterator[bool]:
        """As in `RecordFiles`."""
        lease = take(self._address(path))
        try:
            yield lease is not None
        finally:
            if lease is not None:
                lease.release()

    def remove_claim(self, path: Path) -> None:
        """As in `RecordFiles`: it is deleted when it is given back."""

    def remove_leftovers(self, owner: str, folders: Sequence[Path]) -> None:  # noqa: ARG002 (objects appear whole)
        """As in `RecordFiles`."""
        remove_scratch(owner)

    @staticmethod
    def _address(path: Path) -> RemotePath:
        assert isinstance(path, RemotePath)
        return path


def _common(paths: Sequence[Path]) -> Path:
    """The deepest folder that some paths lie in."""
    first, *others = (path.parent for path in paths)
    return next(folder for folder in (first, *first.parents) if all(other.is_relative_to(folder) for other in others))


def record_files(folder: Path) -> RecordFiles:
    """The files of a folder, or of an address in a store."""
    return StoredFiles() if isinstance(folder, RemotePath) else FolderFiles()


def presence(folder: Path) -> Callable[[Path], bool]:
    """Tells of outputs whether they are there; of those in a store as one listing has them.

    Args:
        folder: Folder of the outputs.

    Raises:
        OutputError: The store cannot be asked.
    """
    if not isinstance(folder, RemotePath):
        return exists
    there = {str(path) for path in listing(folder)}
    return lambda path: str(path) in there
