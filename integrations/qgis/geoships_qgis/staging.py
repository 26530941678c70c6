"""Writes the outputs of a run to hidden folders, and moves them to their paths when the run has succeeded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Files of a GIS or a database beside a file, which describe its old content
_SIDECARS = (".aux.xml", ".ovr", ".msk", "-journal", "-wal", "-shm")
STYLE = ".qml"


class StagingError(Exception):
    """An output cannot be written; the message says which one, and what to do."""


class Staging:
    """Hidden folders for the outputs of a run, one in each folder of outputs.

    A run that is killed leaves no files outside of them.

    Args:
        outputs: Final paths of the outputs, by option of geoships.
        scene: File of the scene, if it is a file.
    """

    def __init__(self, outputs: Mapping[str, Path], scene: Path | None = None) -> None:
        self._outputs, self._scene = dict(outputs), scene
        self._folders: dict[Path, Path] = {}

    @contextmanager
    def open(self) -> Iterator[dict[str, Path]]:
        """Create the hidden folders, and delete them at the end.

        Yields:
            Paths to write to, by option.

        Raises:
            StagingError: A folder does not exist or cannot be written.
        """
        try:
            staged = {option: self._folder(path.parent, path) / path.name for option, path in self._outputs.items()}
            for option, path in staged.items():
                _copy_style(self._outputs[option], path)
            yield staged
        finally:
            for folder in self._folders.values():
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self) -> None:
        """Move all written files to their final paths, and replace existing files.

        Raises:
            StagingError: A file cannot be replaced.
        """
        for path in self._outputs.values():
            for sidecar in _SIDECARS:
                _try(path, path.with_name(path.name + sidecar).unlink, True)
        for parent, folder in self._folders.items():
            for written in sorted(folder.iterdir()):
                if written.suffix == STYLE and self._styles_scene(parent / written.name):
                    continue
                _try(parent / written.name, written.replace, parent / written.name)

    def _styles_scene(self, style: Path) -> bool:
        """Return whether QGIS would also draw the scene with this style."""
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


def _copy_style(path: Path, staged: Path) -> None:
    """Copy an existing style, because geoships keeps a style that it did not write."""
    style = path.with_suffix(STYLE)
    if style.is_file():
        _try(style, shutil.copyfile, style, staged.with_suffix(STYLE))


def _try(path: Path, step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except PermissionError as error:
        raise StagingError(f"cannot replace {path}: it is in use or protected; remove its layer from QGIS") from error
    except OSError as error:
        raise StagingError(f"cannot write {path}: {error.strerror}; choose another name or folder") from error
