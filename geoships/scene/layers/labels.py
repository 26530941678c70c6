"""Ground-truth labels of a scene: ship polygons, from a vector file or a mask raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import RasterioError
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.layers.label_classes import LabelClasses, polygons_by_class
from geoships.scene.layers.polygons import PolygonLayer, read_polygons
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity

BACKGROUND, SHIP, IGNORED = 0, 1, 255
RASTER_SUFFIXES = {".tif", ".tiff", ".png", ".jp2", ".vrt", ".img"}


@dataclass(frozen=True)
class Labels:
    """Labels of one scene, in pixel coordinates (column, row).

    Attributes:
        ships: One polygon per labelled ship that lies in the scene, also partly.
        ignored: Areas that are not labelled; predictions there are neither right nor wrong.
        warnings: What was left out of the files, an ignore layer that does not overlap the scene, and labels around
            the scene of which none lies in it.
        kinds: Of labels of several classes: the class of each ship, by its number from 0; empty: all are of one class.
    """

    ships: tuple[BaseGeometry, ...]
    ignored: tuple[BaseGeometry, ...] = ()
    warnings: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree((*self.ignored, *self.ships))

    def mask(self, window: Window) -> NDArray[np.uint8]:
        """Rasterize the labels on a window.

        Args:
            window: Window in pixels of the scene.

        Returns:
            Label of each pixel, by its centre: BACKGROUND (0), SHIP (1) or IGNORED (255), shape (rows, columns). Where
            a ship and an ignored area overlap, the label is SHIP.
        """
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        indexes = np.sort(self._tree.query(box, predicate="intersects"))
        if not indexes.size:
            return np.zeros(window.shape, np.uint8)
        shapes = (*self.ignored, *self.ships)
        inside = [(shapes[index], IGNORED if index < len(self.ignored) else SHIP) for index in indexes]
        grid = Affine.translation(window.column, window.row)
        return np.asarray(rasterio.features.rasterize(inside, window.shape, transform=grid, dtype="uint8"))

    def of_class(self, kind: int) -> Labels:
        """The labels of one class alone, by its number; labels of one class are returned as they are."""
        if not self.kinds:
            return self
        own = tuple(ship for ship, other in zip(self.ships, self.kinds, strict=True) if other == kind)
        return Labels(own, self.ignored, self.warnings)

    def masks(self, window: Window, count: int, *, exclusive: bool) -> NDArray[np.uint8]:
        """Rasterize the labels of each class on a window.

        Args:
            window: Window in pixels of the scene.
            count: Number of classes.
            exclusive: Whether a pixel belongs to one class at most: to the last one whose outline covers it.

        Returns:
            (classes, rows, columns), each as `mask`; a pixel of one class is never IGNORED in another.
        """
        planes = np.stack([self.of_class(kind).mask(window) for kind in range(count)])
        if count > 1:
            planes[(planes == IGNORED) & (planes == SHIP).any(axis=0)] = BACKGROUND
        return without_overlaps(planes) if exclusive else planes


def without_overlaps(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Masks of classes, (classes, rows, columns), in which a pixel is SHIP in the last of its classes alone."""
    planes = planes.copy()
    for kind in range(len(planes) - 1):
        planes[kind][(planes[kind] == SHIP) & (planes[kind + 1 :] == SHIP).any(axis=0)] = BACKGROUND
    return planes


def read_labels(
    path: Path,
    georeference: Georeference,
    ignore: Path | None = None,
    only: tuple[int, str] | None = None,
    classes: LabelClasses | None = None,
) -> Labels:
    """Read the labels of a scene.

    Args:
        path: Labels: a vector file in any CRS with one polygon per ship, or a mask raster on the grid of the scene. In
            a mask raster, 0 is background and connected pixels (8 neighbours) of other values are one ship. Pixels
            without data, as `Validity` tells them, are ignored, such as those of 255 if 255 is the nodata value of the
            file. A nodata value of 0 is background.
        georeference: Georeference of the scene.
        ignore: Vector file with the areas to ignore; None: no areas.
        only: (pixel value, class name): only this value of a mask raster is a ship, or only this value in the column
            `class` of a vector file; None: all.
        classes: The classes, where there are several; labels of other classes are background. None: one class.

    Returns:
        The labels. A scene without ships is valid: its file is empty, or the extent of the labels covers the scene and
        none lies in it. If the extent covers a part of the scene only, there is a warning.

    Raises:
        SceneError: A file cannot be read, a mask raster has not the grid of the scene, the labels do not overlap
            the scene, or a vector file does not have the column of the classes.
    """
    ignored = read_polygons(ignore, georeference, "the ignore layer") if ignore else PolygonLayer(())
    warnings = ignored.warnings
    if ignored.apart:
        warnings += (f"the ignore layer {ignore} does not overlap the scene and has no effect; {ignored.apart}",)
    if path.suffix.lower() in RASTER_SUFFIXES:
        values, blank = _read_mask(path, georeference)
        unlabelled = (*ignored.polygons, *_outlines(blank))
        if classes:
            parts = [_outlines((values == value) & ~blank) for _, value in classes.classes]
            return _of_parts(parts, unlabelled, warnings)
        outlines = _outlines((values == only[0] if only else values > 0) & ~blank)
        return Labels(tuple(outlines), unlabelled, warnings)
    if classes:
        layers, left_out = polygons_by_class(path, georeference, classes)
        if not any(layer.polygons and not layer.apart for layer in layers):
            for layer in layers:
                require_overlap(path, layer)
        more = (text for layer in layers for text in layer.warnings)
        inside = [_inside(layer.polygons, georeference) for layer in layers]
        near = [layer for layer in layers if layer.polygons]
        if near and not (any(inside) or any(layer.covers for layer in near)):
            warnings += (_none_inside(path),)
        return _of_parts(inside, ignored.polygons, (*left_out, *more, *warnings))
    labels = read_polygons(path, georeference, "the labels", ("class", only[1]) if only else None)
    require_overlap(path, labels)
    ships = _inside(labels.polygons, georeference)
    if not (ships or labels.covers):
        warnings += (_none_inside(path),)
    return Labels(ships, ignored.polygons, (*labels.warnings, *warnings))


def _none_inside(path: Path) -> str:
    return (
        f"no label of {path} lies in the scene, although their extent overlaps it: the scene counts as one without "
        "ships; check that these are its own labels"
    )


def _inside(polygons: tuple[BaseGeometry, ...], georeference: Georeference) -> tuple[BaseGeometry, ...]:
    """The polygons that share area with the scene."""
    box = shapely.box(0, 0, georeference.width, georeference.height)
    shared = shapely.area(shapely.intersection(list(polygons), box)) if polygons else ()
    return tuple(polygon for polygon, area in zip(polygons, shared, strict=True) if area > 0)


def _of_parts(
    parts: Sequence[Sequence[BaseGeometry]], ignored: tuple[BaseGeometry, ...], warnings: tuple[str, ...]
) -> Labels:
    """Labels of several classes, from the polygons of each."""
    ships = tuple(polygon for part in parts for polygon in part)
    return Labels(ships, ignored, warnings, tuple(kind for kind, part in enumerate(parts) for _ in part))


def require_overlap(path: Path, labels: PolygonLayer) -> None:
    """Check that labels overlap their scene.

    Args:
        path: Their file, for the error.
        labels: The labels; an empty file is a scene without ships.

    Raises:
        SceneError: They do not.
    """
    if labels.apart:
        raise SceneError(f"no label of {path} lies in the scene: give the scene's own labels; {labels.apart}")


def _read_mask(path: Path, georeference: Georeference) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Pixels of a mask raster, and which of them are ignored, both (rows, columns)."""
    source = resolve(str(path), trust_vrt=False)
    try:
        with gdal_env(source), open_dataset(source) as dataset:
            grid, shape = georeference_of(dataset), dataset.shape
            values = dataset.read(1)
            blank = values == 0 if dataset.nodata == 0 else np.zeros(values.shape, np.bool_)
            ignored = ~(blank | Validity.of(dataset, [1]).mask(dataset, values[None]))
    except RasterioError as error:
        raise SceneError(
            f"cannot read the labels {path}: {error.__cause__ or error}; check that the file is complete and readable"
        ) from error
    if values.dtype.kind == "f" and (broken := values[~ignored & (values != np.rint(values))]).size:
        raise SceneError(
            f"the labels {path}: a mask has one whole number a pixel, but this one has {broken[0]:g}; give a mask, or "
            "make one with geoships data masks"
        )
    if shape != (georeference.height, georeference.width):
        raise SceneError(
            f"the labels {path}: expected {georeference.height} x {georeference.width} pixels as the scene has, got "
            f"{shape[0]} x {shape[1]}; resample them to the scene's grid, or give a vector file"
        )
    require_same_place(path, grid, georeference)
    return values, np.asarray(ignored)


def require_same_place(path: Path, grid: Georeference, scene: Georeference) -> None:
    """Check that a mask lies where its scene lies, to a pixel. A grid without a georeference is taken for the scene's.

    Args:
        path: File of the mask, for the error.
        grid: Georeference of the mask.
        scene: Georeference of the scene.

    Raises:
        SceneError: A corner of the mask is more than a pixel away from the scene's.
    """
    if not (grid.placed and scene.placed) or grid.crs is None:
        return
    columns, rows = np.array([0, grid.width, grid.width, 0]), np.array([0, 0, grid.height, grid.height])
    x, y = grid.to_map(columns, rows)
    if grid.crs != scene.crs:
        x, y = Transformer.from_crs(grid.crs, scene.crs, always_xy=True).transform(x, y)
    away = np.abs(np.stack(scene.to_pixel(x, y)) - (columns, rows))
    if scene.crs is not None and scene.crs.is_geographic and scene.transform is not None:
        turn = 360 / abs(scene.transform.a or scene.transform.b)
        away[0] = np.minimum(away[0], np.abs(away[0] - turn))
    if not (away <= 1 + 1e-6).all():
        raise SceneError(
            f"the labels {path}: the mask lies elsewhere than the scene: its corners are up to {away.max():.6g} pixels "
            "away from the scene's; give the scene's own mask, or make one with geoships data masks"
        )


def _outlines(pixels: NDArray[np.bool_]) -> list[BaseGeometry]:
    shapes = rasterio.features.shapes(pixels.astype(np.uint8), mask=pixels, connectivity=8)
    return [shapely.make_valid(shapely.geometry.shape(shape)) for shape, _ in shapes]
