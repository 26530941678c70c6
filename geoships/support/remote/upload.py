"""Outputs that go to stores: written to a local folder first, and sent whole when all of them are finished."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from geoships.errors import OutputError
from geoships.support.files import SIDECARS, output_errors
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import delete, exists, read, write

_sent_from: ContextVar[Path | None] = ContextVar("sent_from", default=None)
_log = logging.getLogger(__name__)
SCRATCH = "geoships-"
STYLE = ".qml"  # beside an output; one that somebody has changed is not replaced


@dataclass(frozen=True)
class LocalFiles:
    """Where outputs are written.

    Attributes:
        paths: Local files by kind: the outputs themselves, or files in a temporary folder for those in stores.
        folder: The temporary folder; None: all outputs are local.
    """

    paths: dict[str, Path]
    folder: Path | None = None


@contextmanager
def local_files(paths: Mapping[str, Path], *, overwrite: bool, owner: str = "") -> Iterator[LocalFiles]:
    """Write outputs that go to stores to a temporary folder, and send them when the block ends without an error.

    Each object appears whole. If one cannot be sent, those that were new are deleted again; what was replaced with
    `overwrite` stays replaced. Outputs that are local are left alone.

    Args:
        paths: Outputs by kind. The last one is sent last, after all files that lie beside the outputs, such as styles.
        overwrite: Replace objects that are there.
        owner: Letters and digits in the name of the folder, see `remove_scratch`.

    Yields:
        The local files.

    Raises:
        OutputError: An object cannot be sent, or has appeared meanwhile.
    """
    remote = {kind: path for kind, path in paths.items() if isinstance(path, RemotePath)}
    if not remote:
        yield LocalFiles(dict(paths))
        return
    with output_errors(Path(tempfile.gettempdir())):
        folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{owner}{'-' if owner else ''}"))
    try:
        local = {**paths, **{kind: _local(path, folder) for kind, path in remote.items()}}
        with output_errors(folder):
            for kind, path in remote.items():
                local[kind].parent.mkdir(parents=True, exist_ok=True)
                _fetch_style(path, folder)
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        token = _sent_from.set(folder)
        try:
            yield LocalFiles(local, folder)
        finally:
            _sent_from.reset(token)
        _send(folder, [local[kind] for kind in remote], before, overwrite=overwrite)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_sent(path: Path) -> bool:
    """Whether a file lies in a folder of `local_files`, from which relative paths to local files lead nowhere."""
    folder = _sent_from.get()
    return folder is not None and path.is_relative_to(folder)


def remove_scratch(owner: str) -> None:
    """Delete the temporary folders that an owner which was killed has left on this machine."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}{owner}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def owner_of(place: str | Path) -> str:
    """The same letters and digits for the same place of outputs in each process."""
    return hashlib.sha256(str(place).encode()).hexdigest()[:12]


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A local file, or a temporary copy of an object, which is deleted when the block ends.

    Raises:
        OutputError: There is no such object, or it cannot be read.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    found = read(path)
    if found is None:
        raise OutputError(f"{path}: there is no such object; check the name")
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        copy = Path(folder) / path.name
        with output_errors(copy):
            copy.write_bytes(found.content)
        yield copy


def _local(path: RemotePath, folder: Path) -> Path:
    """Where an object is written before it is sent, so that relative paths between objects stay."""
    return folder.joinpath(path.scheme, *path.parts[1:])


def _address(file: Path, folder: Path) -> RemotePath:
    scheme, *rest = file.relative_to(folder).parts
    return RemotePath(f"{scheme}://{'/'.join(rest)}")


def _fetch_style(path: RemotePath, folder: Path) -> None:
    """Put the style that lies beside an output where the run looks for it: it is kept if geoships did not write it."""
    style = path.with_suffix(STYLE)
    if style != path and (found := read(style)) is not None:
        _local(style, folder).write_bytes(found.content)


def _send(folder: Path, outputs: list[Path], before: Mapping[Path, bytes], *, overwrite: bool) -> None:
    named = set(outputs)
    beside = [file for file in sorted(folder.rglob("*")) if file.is_file() and file not in named]
    changed = [file for file in beside if file not in before or file.read_bytes() != before[file]]
    sent: list[RemotePath] = []
    try:
        for file in (*changed, *(file for file in outputs if file.is_file())):
            address = _address(file, folder)
            old = overwrite or file in before
            there = old and exists(address)
            write(address, file, new=not old)
            if there:
                delete(*(address.with_name(address.name + ending) for ending in SIDECARS))
            else:
                sent.append(address)
            _log.debug("sent: %s", address)
    except BaseException:
        with suppress(OutputError):
            delete(*sent)
        raise
