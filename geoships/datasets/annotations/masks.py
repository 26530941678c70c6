"""Masks of annotated classes on the grid of their scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.read import kind_of, read_pictures
from geoships.datasets.annotations.shapes import LabelClass, Picture
from geoships.datasets.annotations.tiles import Manifest
from geoships.errors import GeoshipsError
from geoships.output.raster import ClassSink
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.layers.labels import IGNORED
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.tiling.windows import Window

ROWS = 512  # burnt at a time


@dataclass(frozen=True)
class Frame:
    """Where pictures of a scene lie: its whole self, or its tiles.

    name: of the scene. places: window of each picture in pixels of the scene, by the stem of its file.
    tiled: whether they are tiles; what lies in none that is annotated, is not known then.
    """

    name: str
    georeference: Georeference
    places: Mapping[str, Window]
    tiled: bool

    @classmethod
    def of_tiles(cls, manifest: Manifest) -> Frame:
        """The frame of a list of tiles."""
        places = {Path(tile.file).stem: tile.window for tile in manifest.tiles}
        return cls(manifest.scene, manifest.georeference, places, tiled=True)

    @classmethod
    def of_scene(cls, scene: str, *, trust_vrt: bool = False) -> Frame:
        """The frame of a scene that was annotated as a whole. Raises SceneError."""
        source = resolve(scene, trust_vrt=trust_vrt)
        with gdal_env(source), open_dataset(source) as dataset:
            grid = georeference_of(dataset)
        stem = Path(source.name.partition("?")[0]).stem
        return cls(scene, grid, {stem: Window(0, 0, grid.height, grid.width)}, tiled=False)


@dataclass(frozen=True)
class Burnt:
    """What a mask holds.

    shapes, pixels: by class. pictures: annotated ones of this scene. strangers: names of those of other scenes.
    """

    path: Path
    kind: str
    shapes: dict[str, int]
    pixels: dict[str, int]
    pictures: int
    strangers: tuple[str, ...]


@dataclass(frozen=True)
class _Placed:
    """Outlines in pixels of the scene with their classes, and the windows that were looked at; None for all."""

    outlines: list[tuple[BaseGeometry, LabelClass]]
    seen: list[Window] | None
    strangers: tuple[str, ...] = ()
    pictures: int = 1


def write_mask(
    annotations: Path,
    frame: Frame,
    out: Path,
    classes: Sequence[LabelClass],
    *,
    kind: str | None = None,
    column: str = "class",
) -> Burnt:
    """Burn annotations into a Cloud Optimized GeoTIFF on the scene's grid: a class's value by the pixel's centre.

    0 is background; 255, the file's nodata, is what is not known: classes of that value, and with tiles all that lies
    in no annotated one. Such classes go below the others; else, what was drawn later lies above.

    annotations: CVAT XML, COCO JSON, Labelme JSON or a folder of it, a folder of YOLO's text files, or a vector file.
    classes: a label is looked for in their names and aliases, whatever its case. kind: one of KINDS, else by content.
    column: of a vector file, with the label of each polygon; in a file without it, all are of the first class.
    Raises GeoshipsError for broken annotations, unknown labels, and pictures of another size than their tile.
    """
    kind = kind or kind_of(annotations)
    if kind == "vector":
        placed = _Placed(_of_vector(annotations, frame.georeference, classes, column), None)
    else:
        places = frame.places
        pictures = read_pictures(
            annotations, kind, lambda stem: places[stem].shape if stem in places else None, [c.name for c in classes]
        )
        placed = _place(pictures, frame, classes, annotations)
    order = sorted(placed.outlines, key=lambda pair: pair[1].value != IGNORED)  # sorted() keeps the order of drawing
    pixels = _burn(order, placed.seen, frame.georeference, out, classes)
    counts = {found.name: sum(of is found for _, of in placed.outlines) for found in classes}
    return Burnt(out, kind, counts, pixels, placed.pictures, placed.strangers)


def _of_vector(
    path: Path, georeference: Georeference, classes: Sequence[LabelClass], column: str
) -> list[tuple[BaseGeometry, LabelClass]]:
    try:
        table = pyogrio.read_dataframe(path, read_geometry=False)
    except Exception as error:  # pyogrio's errors have no common base
        raise GeoshipsError(f"cannot read the labels {path}: {error}") from error
    if column not in table:
        return [(polygon, classes[0]) for polygon in read_polygons(path, georeference, "the labels")]
    found = []
    for value in table[column].dropna().unique():
        label = _class_of(str(value), classes, path)
        found += [(outline, label) for outline in read_polygons(path, georeference, "the labels", (column, value))]
    return found


def _place(pictures: Sequence[Picture], frame: Frame, classes: Sequence[LabelClass], path: Path) -> _Placed:
    """Move outlines from pixels of their picture to those of the scene, cut at the picture's edges."""
    if not frame.tiled and len(pictures) == 1 and pictures[0].size == next(iter(frame.places.values())).shape:
        places: Mapping[str, Window] = {pictures[0].stem: next(iter(frame.places.values()))}  # whatever its name
    else:
        places = frame.places
    outlines, seen, strangers = [], [], []
    for picture in pictures:
        window = places.get(picture.stem)
        if window is None:
            strangers.append(picture.name)
            continue
        if picture.size is not None and picture.size != window.shape:
            raise GeoshipsError(
                f"{path}: {picture.name} has {picture.size[0]} x {picture.size[1]} pixels, and "
                f"{window.height} x {window.width} in the scene; annotate the tiles at their own size"
            )
        seen.append(window)
        edges = shapely.box(0, 0, window.width, window.height)
        for shape in picture.shapes:
            inside = shapely.intersection(shape.outline, edges)
            moved = shapely.affinity.translate(inside, window.column, window.row)
            outlines.append((moved, _class_of(shape.label, classes, path)))
    if not seen:
        names = ", ".join(strangers[:3]) or "none"
        raise GeoshipsError(f"{path}: none of its pictures ({names}) is {frame.name}, or one of its tiles")
    return _Placed(outlines, seen, tuple(strangers), len(seen))


def _class_of(label: str, classes: Sequence[LabelClass], path: Path) -> LabelClass:
    for found in classes:
        if label.strip().casefold() in {name.casefold() for name in (found.name, *found.aliases)}:
            return found
    known = ", ".join(found.name for found in classes)
    raise GeoshipsError(f"{path}: the label {label!r} is none of {known}; add it to the classes (--classes FILE.yaml)")


class _LabelSink(ClassSink):
    """Class numbers with their names and colours."""

    classes: Sequence[LabelClass] = ()

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.write_colormap(1, {0: (0, 0, 0), **{found.value: found.colour for found in self.classes}})


def _burn(
    outlines: Sequence[tuple[BaseGeometry, LabelClass]],
    seen: Sequence[Window] | None,
    georeference: Georeference,
    out: Path,
    classes: Sequence[LabelClass],
) -> dict[str, int]:
    """Write the mask row band by row band; returns the pixels of each class."""
    shapes = [(outline, found.value) for outline, found in outlines if not outline.is_empty]
    tree = shapely.STRtree([outline for outline, _ in shapes])
    names = {f"class_{found.value}": found.name for found in classes}
    counts = np.zeros(256, np.int64)
    sink = _LabelSink(out, georeference, {"class_0": "background", **names})
    sink.classes = classes
    with sink:
        for row in range(0, georeference.height, ROWS):
            window = Window(row, 0, min(ROWS, georeference.height - row), georeference.width)
            touched = np.sort(tree.query(shapely.box(0, window.row, window.width, window.row_end)))
            values = _rasterized([shapes[index] for index in touched], window)
            known = (values != IGNORED) & _known(seen, window)
            counts += np.bincount(values[known | (values == IGNORED)], minlength=256)
            sink.write(RowBand(row, values.astype(np.float32), known))
    return {found.name: int(counts[found.value]) for found in classes}


def _rasterized(shapes: Sequence[tuple[BaseGeometry, int]], window: Window) -> NDArray[np.uint8]:
    if not shapes:
        return np.zeros(window.shape, np.uint8)
    grid = Affine.translation(window.column, window.row)
    return np.asarray(rasterio.features.rasterize(shapes, window.shape, transform=grid, dtype="uint8"))


def _known(seen: Sequence[Window] | None, window: Window) -> NDArray[np.bool_]:
    if seen is None:
        return np.ones(window.shape, np.bool_)
    known = np.zeros(window.shape, np.bool_)
    for place in seen:
        part = place.intersection(window)
        known[part.within(window)] = True
    return known
