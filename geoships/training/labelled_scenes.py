"""Labelled scenes as torchgeo datasets."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset, IntersectionDataset

from geoships.config.segmentation import Data, SceneFiles, Target
from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships.scene.layers.label_classes import LabelClasses
from geoships.scene.layers.labels import Labels, read_labels
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.layers.vector_file import VECTOR_SUFFIXES
from geoships.scene.opening.names import is_remote, stem_of
from geoships.scene.reader import Reading, Scene, open_scene
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.resample import scale_of
from geoships.scene.tiling.windows import Window
from geoships.scene.torchgeo import SceneDataset
from geoships.support.files import real_path

IN_MEMORY = 1 << 30  # bytes; larger scenes are read from their files crop by crop
LABEL_SUFFIXES = (*VECTOR_SUFFIXES, ".tif", ".tiff", ".png")


class LabelDataset(GeoDataset):
    """The labels of a scene on its grid, as a torchgeo dataset; intersect it with the scene's own.

    A sample holds `mask`, (rows, columns) uint8: BACKGROUND, SHIP or IGNORED.

    images: the scene's dataset. labels: its ships, in pixel coordinates.
    """

    def __init__(self, images: SceneDataset, labels: Labels) -> None:
        self.labels, self.grid = labels, images.grid
        self.paths = [images.scene.name]
        self._res = images.grid.resolution
        self.index = images.index.copy()

    def __getitem__(self, query: Any) -> dict[str, torch.Tensor]:
        """Burn the labels of a query's window."""
        return {"mask": torch.from_numpy(self.labels.mask(self.grid.window(query)))}


@dataclass(frozen=True)
class LabelledScene:
    """One scene with its ships.

    name: stem of its file. group: what it belongs to when data are split.
    images: samples with `image` (the scene's own bands, reflectance) and `valid`; see SceneDataset.
    dataset: the same, with `mask`; see LabelDataset.
    present: for each of the model's bands, whether the scene has it.
    scale: model pixels per scene pixel along (rows, columns).
    """

    name: str
    group: str
    scene: Scene
    labels: Labels
    images: SceneDataset
    dataset: IntersectionDataset
    present: tuple[bool, ...]
    scale: tuple[float, float]

    def sample(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
        """Image (all bands of the model, NaN where absent), mask and validity of a window, in scene pixels."""
        sample = self.dataset[self.images.grid.query(window)]
        return self._spread(sample["image"]), sample["mask"].numpy(), sample["valid"].numpy()

    def picture(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Image and validity of a window, as `sample` has them."""
        sample = self.images[self.images.grid.query(window)]
        return self._spread(sample["image"]), sample["valid"].numpy()

    def _spread(self, found: torch.Tensor) -> NDArray[np.float32]:
        image = np.full((len(self.present), *found.shape[1:]), np.nan, np.float32)
        image[list(self.present)] = found.numpy()
        return image


def open_scenes(data: Data) -> list[LabelledScene]:
    """Open all scenes of the settings that are not held out.

    Raises GeoshipsError for patterns that match nothing, scenes without labels, and groups that do not exist.
    """
    entries = scene_files(data)
    groups = {group_of(entry) for entry in entries}
    named = {"data.hold_out": data.hold_out, "data.validation.groups": data.validation.groups}
    for setting, names in named.items():
        if unknown := sorted(set(names) - groups):
            raise GeoshipsError(f"{setting} names {', '.join(unknown)}; the groups are {', '.join(sorted(groups))}")
    kept = [entry for entry in entries if group_of(entry) not in data.hold_out]
    if not kept:
        raise GeoshipsError("data.hold_out leaves no scene to train on")
    return [open_labelled(entry, data) for entry in kept]


def group_of(entry: SceneFiles) -> str:
    """The group of a scene: its own, or its name."""
    return entry.group or stem_of(entry.scene)


def scene_files(data: Data) -> list[SceneFiles]:
    """All scenes of the settings, with patterns resolved; paths still start from `data.root`. Raises GeoshipsError."""
    if data.chips:
        raise GeoshipsError("data.chips: this needs whole scenes; give data.scenes in its place")
    return [entry for pattern in data.scenes for entry in _entries(pattern, data)]


def _entries(entry: SceneFiles | str, data: Data) -> list[SceneFiles]:
    if isinstance(entry, SceneFiles):
        return [entry]
    assert data.labels is not None  # the settings see to it
    if data.ignore and not (data.root / data.ignore).is_dir():
        raise GeoshipsError(f"data.ignore: there is no folder {data.root / data.ignore}")
    found = [path for path in sorted(data.root.glob(entry)) if not path.stem.endswith("_mask")]
    if not found:
        raise GeoshipsError(f"data.scenes: no file matches {data.root / entry}")
    entries = []
    for path in found:
        labels = find_layer(data.root / data.labels, path) or find_layer(path.parent, path, marks=("_mask",))
        if labels is None:
            raise GeoshipsError(
                f"no labels of {path} in {data.root / data.labels}; name them as the scene, or leave it out"
            )
        ignore = find_layer(data.root / data.ignore, path) if data.ignore else None
        entries.append(SceneFiles(scene=str(path), labels=labels, ignore=ignore))
    return entries


def find_layer(folder: Path, scene: Path, marks: Sequence[str] = ("", "_mask")) -> Path | None:
    """The vector file or mask of a folder that is named as a scene; None where there is none."""
    for mark in marks:
        for suffix in LABEL_SUFFIXES:
            path = folder / f"{scene.stem}{mark}{suffix}"
            if path.is_file() and real_path(path) != real_path(scene):
                return path
    return None


def named_polygons(
    where: Path | None, scene: LabelledScene, what: str, only: tuple[str, str] | None = None
) -> list[BaseGeometry] | None:
    """The polygons of a vector file, or of the one in a folder that is named as the scene, in pixel coordinates.

    what: names them in errors. only: see `read_polygons`. None where there is no file.
    Raises SceneError for one that cannot be read.
    """
    if where is not None and not where.is_file():
        where = find_layer(where, Path(f"{scene.name}.scene"), marks=("",))
    if where is None:
        return None
    layer = read_polygons(where, scene.scene.georeference, what, only)
    _warn(layer.warnings)
    return list(layer.polygons)


def from_root(path: Path | None, root: Path, setting: str) -> Path | None:
    """A path of the settings, which starts from `data.root` as all of them do.

    Before that was so, some started from the current folder: one that is only there is still taken, with a warning.

    path: as the settings name it. setting: its name, for the warning.
    """
    if path is None or (root / path).exists() or not path.exists():
        return None if path is None else root / path
    _warn([f"{setting}: {root / path} does not exist, {path} is taken from the current folder; give its whole path"])
    return path


def _warn(texts: Iterable[str]) -> None:
    for text in texts:
        warnings.warn(text, GeoshipsWarning, stacklevel=2)


def open_labelled(entry: SceneFiles, data: Data) -> LabelledScene:
    """Open one scene and read its labels."""
    reading = Reading(entry.bands, entry.scale, entry.offset, entry.sensor)
    at = entry.scene if is_remote(entry.scene) else str(below(data.root, entry.scene))
    scene = open_scene(at, data.bands, reading, optional=data.optional)
    ignore = below(data.root, entry.ignore) if entry.ignore else None
    labels = read_labels(
        below(data.root, entry.labels), scene.georeference, ignore, only_label(data.target), label_classes(data)
    )
    _warn(labels.warnings)
    images = SceneDataset(scene, fetch=_fetch(scene))
    return LabelledScene(
        name=stem_of(entry.scene),
        group=group_of(entry),
        scene=scene,
        labels=labels,
        images=images,
        dataset=images & LabelDataset(images, labels),
        present=tuple(band in scene.wanted for band in data.bands),
        scale=_scale(scene, data),
    )


def only_label(target: Target) -> tuple[int, str] | None:
    """Which labels are of the one class that is looked for, see `read_labels`; None: all."""
    return None if target.value is None else (target.value, target.name)


def label_classes(data: Data) -> LabelClasses | None:
    """How labels tell their class; None where one class is looked for."""
    if not data.classes:
        return None
    return LabelClasses(data.class_field, tuple((entry.name, entry.value or 0) for entry in data.classes))


def below(root: Path, path: str | Path) -> Path:
    """A path of the settings; patterns have been found below the root already."""
    return Path(path) if Path(path).is_relative_to(root) else root / path


def _fetch(scene: Scene) -> Any:
    """Where windows come from: memory for scenes that fit there, decoded with the first window; else the file."""
    rows, columns = scene.window.shape
    if rows * columns * (scene.dtype.itemsize * len(scene.wanted) + 1) > IN_MEMORY:
        return None
    decoded: list[Pixels] = []

    def fetch(window: Window) -> Pixels:
        if not decoded:
            decoded.append(scene.decode(scene.window))
        part = window.within(scene.window)
        return Pixels(decoded[0].values[:, *part], decoded[0].valid[part])

    return fetch


def _scale(scene: Scene, data: Data) -> tuple[float, float]:
    across, down = scene.georeference.pixel_size() or (data.gsd, data.gsd)
    return scale_of(down, data.gsd, data.gsd_range), scale_of(across, data.gsd, data.gsd_range)
