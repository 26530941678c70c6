"""Which files may be written: none that is there already, unless that was asked for, and never one that is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from geoships.errors import OutputError
from geoships.support.files import SIDECARS, output_errors
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import exists

Identity = tuple[int, int]  # device and number of a file there: the same under all its names and links


def refuse_overwrites(outputs: Iterable[Path], inputs: Iterable[Path] = (), *, overwrite: bool) -> None:
    """Check, before any work, that no output replaces a file which is there.

    Args:
        outputs: Files to write, or addresses in stores. Their folders need not exist yet.
        inputs: Files that are read; of a folder, all that it holds. Missing ones are left to those who read them.
        overwrite: Whether outputs may replace existing files. They never replace an input, under whatever name.

    Raises:
        OutputError: An output is an input, by another name or link, too; or it exists, and `overwrite` is not given.
    """
    paths = list(dict.fromkeys(outputs))
    given = list(inputs)
    read = {identity: path for path in given if (identity := _identity(path))}
    for path in paths:
        if found := _read_as(path, read, given):
            raise OutputError(f"the output {path} is the input {found} itself, or a part of it; name another file")
    existing = [] if overwrite else [path for path in paths if _is_there(path)]
    if existing:
        raise existing_error(existing)


def existing_error(existing: Sequence[Path], why: str = "") -> OutputError:
    """The refusal of outputs that exist.

    Args:
        existing: At least one.
        why: What is known of them, such as ``, from another run``.
    """
    return OutputError(
        f"{some_of(existing)} exists already{why}; name another, or use --overwrite (in Python overwrite=True)"
    )


def some_of(outputs: Sequence[Path]) -> str:
    """The first of some outputs by name, and the number of the others."""
    return f"{outputs[0]}{f' (and {len(outputs) - 1} more of the outputs)' if len(outputs) > 1 else ''}"


def _is_there(path: Path) -> bool:
    return exists(path) if isinstance(path, RemotePath) else os.path.lexists(path) and not path.is_dir()


def _read_as(output: Path, read: dict[Identity, Path], inputs: list[Path]) -> Path | None:
    """The input that writing an output would change; None if there is none."""
    if isinstance(output, RemotePath):
        return output if output in inputs else None
    if not read:
        return None
    written = [output, *(output.with_name(output.name + sidecar) for sidecar in SIDECARS)]
    places = (*written, *Path(os.path.realpath(output)).parents, *Path(os.path.abspath(output)).parents)  # noqa: PTH100
    return next((read[identity] for place in places if (identity := _identity(place)) in read and identity), None)


def _identity(path: Path) -> Identity | None:
    """What is the same for all names of a file; None if there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


@contextmanager
def set_aside(paths: Iterable[Path]) -> Iterator[None]:
    """Move files and folders aside while the block writes new ones in their place.

    After an error or an interrupt they are back, and what the block wrote is gone; otherwise they are deleted.

    Args:
        paths: Files and folders, which may be missing. Nothing else in their folders is touched.

    Raises:
        OutputError: One cannot be moved.
    """
    named = list(dict.fromkeys(paths))
    moved: dict[Path, Path] = {}
    scratch: dict[Path, Path] = {}  # by the folder that it lies in: a file is moved within its file system
    try:
        for path in (path for path in named if os.path.lexists(path)):
            with output_errors(path):
                if path.parent not in scratch:
                    scratch[path.parent] = Path(mkdtemp(prefix=".geoships-", dir=path.parent))
                place = scratch[path.parent] / path.name
                path.rename(place)
                moved[path] = place
    except BaseException:
        _move_back(moved)
        raise
    try:
        yield
    except BaseException:
        for path in named:
            _delete(path)
        _move_back(moved)
        raise
    for folder in scratch.values():
        shutil.rmtree(folder, ignore_errors=True)


def _move_back(moved: Mapping[Path, Path]) -> None:
    for path, place in moved.items():
        place.rename(path)
    for folder in {place.parent for place in moved.values()}:
        folder.rmdir()


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
