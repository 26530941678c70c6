"""Outputs that appear together when a run has succeeded, and leave nothing when it has not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# What a GIS or a database keeps beside a file. It describes that file's old content only.
_SIDECARS = (".aux.xml", ".ovr", ".msk", "-journal", "-wal", "-shm")


STYLE = ".qml"


class StagingError(Exception):
    """An output cannot be written; the message says which, and what to do."""


class Staging:
    """Where a run writes its files: hidden folders beside their places, one for each folder of outputs.

    A run that is killed, on whatever system, leaves nothing outside of them.

    outputs: the files' places, by option.
    scene: the scene's file, where it is one.
    """

    def __init__(self, outputs: Mapping[str, Path], scene: Path | None = None) -> None:
        self._outputs, self._scene = dict(outputs), scene
        self._folders: dict[Path, Path] = {}

    @contextmanager
    def open(self) -> Iterator[dict[str, Path]]:
        """Yield the paths to write to, by option; the folders go at the end. Raises StagingError."""
        try:
            places = {option: self._folder(path.parent, path) / path.name for option, path in self._outputs.items()}
            for option, place in places.items():
                _copy_style(self._outputs[option], place)
            yield places
        finally:
            for folder in self._folders.values():
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self) -> None:
        """Bring all written files to their places, over older ones. Raises StagingError."""
        for path in self._outputs.values():
            for sidecar in _SIDECARS:
                _tried(path, path.with_name(path.name + sidecar).unlink, True)
        for parent, folder in self._folders.items():
            for written in sorted(folder.iterdir()):
                if written.suffix == STYLE and self._is_scenes(parent / written.name):
                    continue
                _tried(parent / written.name, written.replace, parent / written.name)

    def _is_scenes(self, style: Path) -> bool:
        """Whether QGIS would draw the scene in this style, too."""
        return self._scene is not None and self._scene.absolute().with_suffix(STYLE) == style.absolute()

    def _folder(self, parent: Path, path: Path) -> Path:
        if parent not in self._folders:
            if not parent.is_dir():
                raise StagingError(f"cannot write {path}: the folder {parent} does not exist; create it first")
            try:
                self._folders[parent] = Path(tempfile.mkdtemp(prefix=".geoships-", dir=parent))
            except OSError as error:
                raise StagingError(f"cannot write {path}: {error.strerror}; choose another folder") from error
        return self._folders[parent]


def _copy_style(path: Path, place: Path) -> None:
    """Show geoships the style that is there: it keeps one that somebody else has made."""
    style = path.with_suffix(STYLE)
    if style.is_file():
        _tried(style, shutil.copyfile, style, place.with_suffix(STYLE))


def _tried(path: Path, step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except PermissionError as error:
        raise StagingError(f"cannot replace {path}: it is in use or protected; remove its layer from QGIS") from error
    except OSError as error:
        raise StagingError(f"cannot write {path}: {error.strerror}; choose another name or folder") from error
