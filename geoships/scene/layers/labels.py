"""Ground-truth labels of a scene: ship polygons, from a vector file or a mask raster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity

BACKGROUND, SHIP, IGNORED = 0, 1, 255
RASTER_SUFFIXES = {".tif", ".tiff", ".png", ".jp2", ".vrt", ".img"}


@dataclass(frozen=True)
class Labels:
    """Labels of one scene, in pixel coordinates (column, row).

    Attributes:
        ships: One polygon per labelled ship.
        ignored: Areas that are not labelled; predictions there are neither right nor wrong.
    """

    ships: tuple[BaseGeometry, ...]
    ignored: tuple[BaseGeometry, ...] = ()

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


def read_labels(
    path: Path, georeference: Georeference, ignore: Path | None = None, only: tuple[int, str] | None = None
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

    Returns:
        The labels.

    Raises:
        SceneError: A file cannot be read, or a mask raster has not the size of the scene.
    """
    is_raster = path.suffix.lower() in RASTER_SUFFIXES
    ignored = read_polygons(ignore, georeference, "the ignore layer") if ignore else []
    if is_raster:
        ships, unlabelled = _raster_labels(path, georeference, only[0] if only else None)
        return Labels(tuple(ships), (*ignored, *unlabelled))
    only_class = ("class", only[1]) if only else None
    return Labels(tuple(read_polygons(path, georeference, "the labels", only_class)), tuple(ignored))


def _raster_labels(
    path: Path, georeference: Georeference, only: int | None
) -> tuple[list[BaseGeometry], list[BaseGeometry]]:
    """Polygons of the ships and of the ignored pixels of a mask raster."""
    source = resolve(str(path), trust_vrt=False)
    try:
        with gdal_env(source), open_dataset(source) as dataset:
            shape = dataset.shape
            values = dataset.read(1)
            blank = values == 0 if dataset.nodata == 0 else np.zeros(values.shape, np.bool_)
            ignored = ~(blank | Validity.of(dataset, [1]).mask(dataset, values[None]))
    except RasterioError as error:
        raise SceneError(
            f"cannot read the labels {path}: {error.__cause__ or error}; check that the file is complete and readable"
        ) from error
    if shape != (georeference.height, georeference.width):
        raise SceneError(
            f"the labels {path}: expected {georeference.height} x {georeference.width} pixels as the scene has, got "
            f"{shape[0]} x {shape[1]}; resample them to the scene's grid, or give a vector file"
        )
    return _outlines((values > 0 if only is None else values == only) & ~ignored), _outlines(ignored)


def _outlines(pixels: NDArray[np.bool_]) -> list[BaseGeometry]:
    shapes = rasterio.features.shapes(pixels.astype(np.uint8), mask=pixels, connectivity=8)
    return [shapely.make_valid(shapely.geometry.shape(shape)) for shape, _ in shapes]
