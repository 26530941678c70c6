"""Pairing of scenes with their label files: files with the same stem."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoships.errors import GeoshipsError
from geoships.scene.layers.labels import RASTER_SUFFIXES
from geoships.scene.layers.vector_file import VECTOR_SUFFIXES, vector_files
from geoships.scene.opening.names import stem_of
from geoships.scene.opening.raster import local_file
from geoships.support.files import real_path

_SUFFIXES = (".tif", *VECTOR_SUFFIXES, *sorted(RASTER_SUFFIXES - {".tif"}))
_ENDINGS = ("", "_mask")

PathLike = str | Path


@dataclass(frozen=True)
class LabelledFiles:
    """A scene and its label files.

    Attributes:
        scene: Path or URL of the scene.
        labels: Vector file or mask raster of the ships.
        ignore: Vector file of the areas to ignore, or None.
        land: Vector file or mask raster of land, or None.
    """

    scene: str
    labels: Path
    ignore: Path | None = None
    land: Path | None = None

    @property
    def name(self) -> str:
        """Stem of the scene's file name."""
        return stem_of(self.scene)

    def paths(self) -> list[Path]:
        """The local files of the scene and its layers."""
        scene = local_file(self.scene)
        layers = [path for layer in (self.labels, self.ignore, self.land) if layer for path in vector_files(layer)]
        return [*([scene] if scene else []), *layers]


def pair_files(
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    ignore: Sequence[PathLike] = (),
    land: Sequence[PathLike] = (),
) -> list[LabelledFiles]:
    """Pair scenes with label files of the same stem.

    In a folder, label files are found as ``STEM.tif``, ``STEM.geojson`` and so on, and then as ``STEM_mask.tif``. A
    single label file for a single scene may have any name. An ignore or land file that is not named after a scene is
    used for all scenes.

    Args:
        scenes: Paths, URLs, folders or patterns such as ``scenes/*.tif``.
        labels: Label files, folders or patterns.
        ignore: Files of areas to ignore, folders or patterns.
        land: Land files, folders or patterns.

    Returns:
        Each scene with its files.

    Raises:
        GeoshipsError: A scene has no labels, two scenes have the same stem, or a path does not exist.
    """
    names = find_scenes(scenes)
    stems = [stem_of(scene) for scene in names]
    duplicates = sorted({stem for stem in stems if stems.count(stem) > 1})
    if duplicates:
        raise GeoshipsError(f"several scenes are named {', '.join(duplicates)}; give each a different file name")
    single = len(names) == 1
    columns = [
        [_find(sources, scene) for scene in names]
        for sources in (
            _file_sets(labels, "labels", stems if single else None),
            _file_sets(ignore, "ignore", stems),
            _file_sets(land, "land", stems),
        )
    ]
    rows = list(zip(names, *columns, strict=True))
    unlabelled = [stem_of(scene) for scene, label, _, _ in rows if label is None]
    if unlabelled:
        raise GeoshipsError(
            f"no labels for {', '.join(unlabelled)} in {', '.join(map(str, labels)) or 'the arguments'}; name label "
            f"files after their scene, e.g. {unlabelled[0]}.geojson or {unlabelled[0]}_mask.tif"
        )
    return [
        LabelledFiles(scene, label, ignored, land_file)
        for scene, label, ignored, land_file in rows
        if label is not None
    ]


@dataclass(frozen=True)
class _FileSet:
    """The files of one argument. shared: its single file is used for all scenes."""

    paths: tuple[Path, ...]
    shared: bool = False

    def find(self, scene: str) -> Path | None:
        """The file of a scene, by its ending, then by its suffix; never the scene itself."""
        if self.shared:
            return self.paths[0]
        stems = [stem_of(scene) + ending for ending in _ENDINGS]
        candidates = [path for path in self.paths if path.stem in stems and real_path(path) != real_path(scene)]
        return min(candidates, key=lambda path: (stems.index(path.stem), _rank(path)), default=None)


def _find(file_sets: Sequence[_FileSet], scene: str) -> Path | None:
    return next((path for files in file_sets if (path := files.find(scene)) is not None), None)


def _file_sets(arguments: Sequence[PathLike], kind: str, stems: Sequence[str] | None) -> list[_FileSet]:
    """The files of each argument. With `stems`, a file that is named after none of them is used for all scenes."""
    file_sets = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            file_sets.append(_FileSet(tuple(p for p in sorted(path.iterdir()) if p.suffix.lower() in _SUFFIXES)))
        elif path.exists():
            named = stems is None or any(path.stem == stem + ending for stem in stems for ending in _ENDINGS)
            file_sets.append(_FileSet((path,), shared=not named))
        elif matches := _matches(argument):
            file_sets.append(_FileSet(tuple(matches)))
        else:
            raise GeoshipsError(f"no file at {argument} ({kind}); give an existing file, a folder or a pattern")
    return file_sets


def find_scenes(arguments: Sequence[PathLike]) -> list[str]:
    """Find the scenes of files, folders, patterns and URLs.

    Args:
        arguments: Paths, URLs, folders or patterns. An argument that is no local file is returned as it is, since it
            may be a URL. In a folder, ``STEM_mask.tif`` beside ``STEM.tif`` is taken for a label file.

    Returns:
        Path or URL of each scene.

    Raises:
        GeoshipsError: There are no scenes, or a folder has none.
    """
    scenes: list[str] = []
    for argument in map(str, arguments):
        path = Path(argument)
        if not path.is_dir():
            scenes += [argument] if path.exists() else list(map(str, _matches(argument))) or [argument]
            continue
        rasters = [p for p in sorted(path.iterdir()) if p.suffix.lower() in RASTER_SUFFIXES]
        masks = {f"{p.stem}_mask" for p in rasters}
        if not rasters:
            suffixes = ", ".join(sorted(RASTER_SUFFIXES))
            raise GeoshipsError(f"{argument}: the folder has no scenes ({suffixes}); give another folder, or files")
        scenes += [str(p) for p in rasters if p.stem not in masks]
    if not scenes:
        raise GeoshipsError("no scenes were given; give files or folders")
    return scenes


def _matches(pattern: PathLike) -> list[Path]:
    return sorted(map(Path, glob.glob(str(pattern))))  # noqa: PTH207 (Path.glob refuses absolute patterns)


def _rank(path: Path) -> int:
    suffix = path.suffix.lower()
    return _SUFFIXES.index(suffix) if suffix in _SUFFIXES else len(_SUFFIXES)
