"""Rasterises annotations into a class mask on the scene's grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.read import detect_format, read_annotations
from geoships.datasets.annotations.shapes import AnnotatedImage, LabelClass
from geoships.datasets.annotations.tiles import Manifest
from geoships.errors import GeoshipsError
from geoships.output.raster import ClassSink
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.layers.labels import IGNORED, require_overlap
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.layers.repair import left_out_summary, usable_polygons
from geoships.scene.layers.vector_file import read_vector, vector_files
from geoships.scene.opening.names import stem_of
from geoships.scene.opening.raster import gdal_env, local_file, open_dataset, resolve
from geoships.scene.tiling.windows import Window
from geoships.support.overwrite import refuse_overwrites

ROWS = 512  # rasterised at a time


@dataclass(frozen=True)
class ImageLayout:
    """Where the annotated images lie in their scene: one image of the whole scene, or its tiles.

    Attributes:
        name: Name of the scene.
        georeference: Grid of the scene.
        windows: Window of each image in pixels of the scene, by its file name without extension.
        tiled: The images are tiles; pixels outside the annotated tiles are unknown.
    """

    name: str
    georeference: Georeference
    windows: Mapping[str, Window]
    tiled: bool

    @classmethod
    def of_tiles(cls, manifest: Manifest) -> ImageLayout:
        """Return the layout of the tiles of a manifest."""
        windows = {Path(tile.file).stem: tile.window for tile in manifest.tiles}
        return cls(manifest.scene, manifest.georeference, windows, tiled=True)

    @classmethod
    def of_scene(cls, scene: str, *, trust_vrt: bool = False) -> ImageLayout:
        """Return the layout of a scene that was annotated as one image.

        Args:
            scene: A raster, as for `geoships.predict`.
            trust_vrt: Open VRT files, which can refer to any other file.

        Returns:
            The layout with one window, the whole scene.

        Raises:
            SceneError: The scene cannot be opened.
        """
        source = resolve(scene, trust_vrt=trust_vrt)
        with gdal_env(source), open_dataset(source) as dataset:
            grid = georeference_of(dataset)
        stem = stem_of(source.name)
        return cls(scene, grid, {stem: Window(0, 0, grid.height, grid.width)}, tiled=False)


@dataclass(frozen=True)
class MaskSummary:
    """The content of a written mask.

    Attributes:
        path: The mask.
        annotation_format: One of FORMATS.
        shapes: Number of shapes by class name.
        pixels: Number of pixels by class name.
        images: Number of annotated images of this scene.
        unmatched: File names of images that are not of this scene; they were skipped.
        warnings: What was left out or assumed.
    """

    path: Path
    annotation_format: str
    shapes: dict[str, int]
    pixels: dict[str, int]
    images: int
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SceneShapes:
    """Outlines in pixels of the scene with their classes; `annotated` is None where the whole scene is annotated."""

    outlines: list[tuple[BaseGeometry, LabelClass]]
    annotated: list[Window] | None
    unmatched: tuple[str, ...] = ()
    images: int = 1
    warnings: tuple[str, ...] = ()


def write_mask(
    annotations: Path,
    layout: ImageLayout,
    out: Path,
    classes: Sequence[LabelClass],
    *,
    annotation_format: str | None = None,
    column: str = "class",
    overwrite: bool = False,
) -> MaskSummary:
    """Rasterise annotations into a Cloud Optimized GeoTIFF on the scene's grid.

    A pixel whose centre lies in a shape gets the value of the shape's class. 0 is background. 255, the file's nodata
    value, is unknown: classes with that value and, where tiles were annotated, pixels outside the annotated tiles.
    Where shapes overlap, classes of value 255 lie below all others, and later shapes above earlier ones.

    Args:
        annotations: CVAT XML, COCO JSON, Labelme JSON or a folder of it, a folder of YOLO text files, or a vector file.
        layout: Where the annotated images lie in the scene.
        out: Mask to write, uint8.
        classes: Classes of the mask; labels are compared with their names and aliases, ignoring case.
        annotation_format: One of FORMATS; None detects it.
        column: Column of a vector file with the labels; without such a column, all polygons are of the first class.
        overwrite: Replace an existing mask; never the scene or the annotations.

    Returns:
        Counts of shapes and pixels.

    Raises:
        GeoshipsError: The annotations are not valid, have a label that no class has, or have an image whose size is
            not that of its tile.
        OutputError: The mask exists, or is one of the files that are read.
    """
    scene = local_file(layout.name)
    read = vector_files(annotations) if annotations.is_file() else iter(())
    refuse_overwrites([out], (*read, *([scene] if scene else [])), overwrite=overwrite)
    annotation_format = annotation_format or detect_format(annotations)
    if annotation_format == "vector":
        shapes = _read_vector(annotations, layout.georeference, classes, column)
    else:
        windows, names = layout.windows, [label_class.name for label_class in classes]
        images = read_annotations(
            annotations, annotation_format, lambda stem: windows[stem].shape if stem in windows else None, names
        )
        shapes = _to_scene(images, layout, classes, annotations)
        shapes = replace(shapes, warnings=_left_out(images, annotations))
    bottom_up = sorted(shapes.outlines, key=lambda pair: pair[1].value != IGNORED)  # a stable sort: keeps the order
    pixels = _write(bottom_up, shapes.annotated, layout.georeference, out, classes)
    counts = {each.name: sum(label_class is each for _, label_class in shapes.outlines) for each in classes}
    return MaskSummary(out, annotation_format, counts, pixels, shapes.images, shapes.unmatched, shapes.warnings)


def _read_vector(path: Path, georeference: Georeference, classes: Sequence[LabelClass], column: str) -> _SceneShapes:
    whole = read_polygons(path, georeference, "the labels")
    require_overlap(path, whole)
    table = read_vector(path, "the labels")
    if column not in table:
        return _SceneShapes([(polygon, classes[0]) for polygon in whole.polygons], None, warnings=whole.warnings)
    outlines = []
    for value in table[column].dropna().unique():
        label_class = _class_of(str(value), classes, path)
        rows = usable_polygons(table.geometry[table[column] == value])
        if rows.polygons:
            layer = read_polygons(path, georeference, "the labels", (column, value))
            outlines += [(outline, label_class) for outline in layer.polygons]
    return _SceneShapes(outlines, None, warnings=whole.warnings)


def _to_scene(
    images: Sequence[AnnotatedImage], layout: ImageLayout, classes: Sequence[LabelClass], path: Path
) -> _SceneShapes:
    """Move outlines from pixels of their image to pixels of the scene, clipped to the image."""
    windows: Mapping[str, Window] = layout.windows
    if not layout.tiled and len(images) == 1 and images[0].size == next(iter(windows.values())).shape:
        windows = {images[0].stem: next(iter(windows.values()))}  # one image of the scene's size, under any name
    outlines, annotated, unmatched = [], [], []
    for image in images:
        window = windows.get(image.stem)
        if window is None:
            unmatched.append(image.name)
            continue
        if image.size is not None and image.size != window.shape:
            raise GeoshipsError(
                f"{path}: {image.name} has {image.size[0]} x {image.size[1]} pixels, but its tile of the scene has "
                f"{window.height} x {window.width}; annotate the tiles at their original size"
            )
        annotated.append(window)
        extent = shapely.box(0, 0, window.width, window.height)
        for shape in image.shapes:
            clipped = shapely.intersection(shape.outline, extent)
            if not clipped.area > 0:
                raise GeoshipsError(
                    f"{path}: a {shape.label} lies outside its image {image.name} of {window.height} x {window.width} "
                    "pixels; annotate the image at its original size"
                )
            moved = shapely.affinity.translate(clipped, window.column, window.row)
            outlines.append((moved, _class_of(shape.label, classes, path)))
    if not annotated:
        names = ", ".join(unmatched[:3]) or "none"
        raise GeoshipsError(f"{path}: none of its images ({names}) is {layout.name} or one of its tiles")
    return _SceneShapes(outlines, annotated, tuple(unmatched), len(annotated))


def _left_out(images: Sequence[AnnotatedImage], path: Path) -> tuple[str, ...]:
    """Say what was left out of annotations; an error if nothing else was drawn."""
    kinds = Counter(kind for image in images for kind in image.left_out)
    kept = sum(len(image.shapes) for image in images)
    summary = left_out_summary(kinds, kinds.total() + kept)
    if summary is None:
        return ()
    if not kept:
        raise GeoshipsError(f"{path}: no shape has an area ({summary}); draw polygons, boxes, ellipses or masks")
    return (f"{path}: {summary}, which have no area",)


def _class_of(label: str, classes: Sequence[LabelClass], path: Path) -> LabelClass:
    for label_class in classes:
        if label.strip().casefold() in {name.casefold() for name in (label_class.name, *label_class.aliases)}:
            return label_class
    names = ", ".join(label_class.name for label_class in classes)
    raise GeoshipsError(
        f"{path}: expected one of the labels {names}, got {label!r}; add it to the classes (--classes FILE.yaml)"
    )


class _LabelSink(ClassSink):
    """Writes class values with the names and colours of their classes."""

    classes: Sequence[LabelClass] = ()

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.write_colormap(1, {0: (0, 0, 0), **{each.value: each.colour for each in self.classes}})


def _write(
    outlines: Sequence[tuple[BaseGeometry, LabelClass]],
    annotated: Sequence[Window] | None,
    georeference: Georeference,
    out: Path,
    classes: Sequence[LabelClass],
) -> dict[str, int]:
    """Write the mask row band by row band, and return the number of pixels of each class."""
    shapes = [(outline, label_class.value) for outline, label_class in outlines if not outline.is_empty]
    tree = shapely.STRtree([outline for outline, _ in shapes])
    names = {f"class_{each.value}": each.name for each in classes}
    counts = np.zeros(256, np.int64)
    sink = _LabelSink(out, georeference, {"class_0": "background", **names})
    sink.classes = classes
    with sink:
        for row in range(0, georeference.height, ROWS):
            window = Window(row, 0, min(ROWS, georeference.height - row), georeference.width)
            hits = np.sort(tree.query(shapely.box(0, window.row, window.width, window.row_end)))
            values = _rasterize([shapes[index] for index in hits], window)
            known = (values != IGNORED) & _known_pixels(annotated, window)
            counts += np.bincount(values[known | (values == IGNORED)], minlength=256)
            sink.write(RowBand(row, values.astype(np.float32), known))
    return {each.name: int(counts[each.value]) for each in classes}


def _rasterize(shapes: Sequence[tuple[BaseGeometry, int]], window: Window) -> NDArray[np.uint8]:
    if not shapes:
        return np.zeros(window.shape, np.uint8)
    transform = Affine.translation(window.column, window.row)
    return np.asarray(rasterio.features.rasterize(shapes, window.shape, transform=transform, dtype="uint8"))


def _known_pixels(annotated: Sequence[Window] | None, window: Window) -> NDArray[np.bool_]:
    if annotated is None:
        return np.ones(window.shape, np.bool_)
    known = np.zeros(window.shape, np.bool_)
    for tile in annotated:
        overlap = tile.intersection(window)
        known[overlap.within(window)] = True
    return known
