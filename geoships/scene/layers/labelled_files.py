"""Which files belong to which scene: those of the same stem."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoships.errors import GeoshipsError
from geoships.scene.layers.labels import RASTER_SUFFIXES

VECTOR_SUFFIXES = (".geojson", ".json", ".gpkg", ".fgb", ".shp")
_SUFFIXES = (".tif", *VECTOR_SUFFIXES, *sorted(RASTER_SUFFIXES - {".tif"}))
_ENDINGS = ("", "_mask")

PathLike = str | Path


@dataclass(frozen=True)
class LabelledScene:
    """A scene and the files that tell what is in it.

    scene: path or address. labels: vector file or mask. ignore: vector file of parts that say nothing.
    land: vector file or mask of land.
    """

    scene: str
    labels: Path
    ignore: Path | None = None
    land: Path | None = None

    @property
    def name(self) -> str:
        """Stem of the scene's file."""
        return _stem(self.scene)


def pair_files(
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    ignore: Sequence[PathLike] = (),
    land: Sequence[PathLike] = (),
) -> list[LabelledScene]:
    """Pair scenes with the files of the same stem.

    scenes: paths, addresses, folders or patterns such as ``scenes/*.tif``. labels, ignore, land: files, folders or
    patterns; in a folder ``STEM.tif``, ``STEM.geojson`` and the like are looked for, and then ``STEM_mask.tif``. One
    file of labels for one scene may have any name; an ignore or land file that is named after no scene is for all.

    Raises GeoshipsError that names the scenes without labels, and for paths that lead to nothing.
    """
    found = find_scenes(scenes)
    stems = [_stem(scene) for scene in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise GeoshipsError(f"several scenes are named {', '.join(twice)}: give each one a name of its own")
    alone = len(found) == 1
    chosen = [
        [_find(sources, scene) for scene in found]
        for sources in (
            _sources(labels, "labels", stems if alone else None),
            _sources(ignore, "ignore", stems),
            _sources(land, "land", stems),
        )
    ]
    pairs = list(zip(found, *chosen, strict=True))
    without = [_stem(scene) for scene, label, _, _ in pairs if label is None]
    if without:
        raise GeoshipsError(
            f"no labels for {', '.join(without)} in {', '.join(map(str, labels)) or 'nothing'}: name them after "
            f"their scene, such as {without[0]}.geojson or {without[0]}_mask.tif"
        )
    return [LabelledScene(scene, label, skip, ground) for scene, label, skip, ground in pairs if label is not None]


@dataclass(frozen=True)
class _Source:
    """The files that one argument leads to; shared: its one file is for every scene."""

    paths: tuple[Path, ...]
    shared: bool = False

    def of(self, scene: str) -> Path | None:
        """The file of a scene: by its ending, then by its suffix. A scene does not belong to itself."""
        if self.shared:
            return self.paths[0]
        wanted = [_stem(scene) + end for end in _ENDINGS]
        able = [path for path in self.paths if path.stem in wanted and path.resolve() != Path(scene).resolve()]
        return min(able, key=lambda path: (wanted.index(path.stem), _rank(path)), default=None)


def _find(sources: Sequence[_Source], scene: str) -> Path | None:
    return next((path for source in sources if (path := source.of(scene)) is not None), None)


def _sources(arguments: Sequence[PathLike], kind: str, stems: Sequence[str] | None) -> list[_Source]:
    """What the arguments lead to; with `stems`, a file that is named after none of them is for every scene."""
    found = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            found.append(_Source(tuple(p for p in sorted(path.iterdir()) if p.suffix.lower() in _SUFFIXES)))
        elif path.exists():
            named = stems is None or any(path.stem == stem + end for stem in stems for end in _ENDINGS)
            found.append(_Source((path,), shared=not named))
        elif matches := _matches(argument):
            found.append(_Source(tuple(matches)))
        else:
            raise GeoshipsError(f"nothing to read at {argument} ({kind}): neither a file nor a folder nor a pattern")
    return found


def find_scenes(arguments: Sequence[PathLike]) -> list[str]:
    """Scenes that the arguments lead to; what looks like no file here may still be an address."""
    found: list[str] = []
    for argument in map(str, arguments):
        path = Path(argument)
        if not path.is_dir():
            found += [argument] if path.exists() else list(map(str, _matches(argument))) or [argument]
            continue
        rasters = [p for p in sorted(path.iterdir()) if p.suffix.lower() in RASTER_SUFFIXES]
        masks = {f"{p.stem}_mask" for p in rasters}
        if not rasters:
            raise GeoshipsError(f"the folder {argument} holds no scene ({', '.join(sorted(RASTER_SUFFIXES))})")
        found += [str(p) for p in rasters if p.stem not in masks]
    if not found:
        raise GeoshipsError("no scene to evaluate: name files or folders")
    return found


def _matches(pattern: PathLike) -> list[Path]:
    return sorted(map(Path, glob.glob(str(pattern))))  # noqa: PTH207 (Path.glob refuses absolute patterns)


def _rank(path: Path) -> int:
    suffix = path.suffix.lower()
    return _SUFFIXES.index(suffix) if suffix in _SUFFIXES else len(_SUFFIXES)


def _stem(scene: str) -> str:
    return Path(scene.partition("?")[0].rstrip("/")).stem
