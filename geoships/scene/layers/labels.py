"""Labelled ships of a scene, from any vector file or a mask raster."""

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

BACKGROUND, SHIP, IGNORED = 0, 1, 255
RASTER_SUFFIXES = {".tif", ".tiff", ".png", ".jp2", ".vrt", ".img"}


@dataclass(frozen=True)
class Labels:
    """What is known of the ships of one scene, in pixel coordinates (column, row).

    ships: one polygon a labelled ship. ignored: parts that say nothing, neither for nor against a ship.
    """

    ships: tuple[BaseGeometry, ...]
    ignored: tuple[BaseGeometry, ...] = ()

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree((*self.ignored, *self.ships))

    def mask(self, window: Window) -> NDArray[np.uint8]:
        """(rows, columns) of a window: BACKGROUND, SHIP or IGNORED by the pixel's centre; a ship is never ignored."""
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        found = np.sort(self._tree.query(box, predicate="intersects"))
        if not found.size:
            return np.zeros(window.shape, np.uint8)
        shapes = (*self.ignored, *self.ships)
        inside = [(shapes[index], IGNORED if index < len(self.ignored) else SHIP) for index in found]
        grid = Affine.translation(window.column, window.row)
        return np.asarray(rasterio.features.rasterize(inside, window.shape, transform=grid, dtype="uint8"))


def read_labels(
    path: Path, georeference: Georeference, ignore: Path | None = None, only: tuple[int, str] | None = None
) -> Labels:
    """Read the labelled ships of a scene.

    path: a vector file in any CRS, one polygon a ship; or a raster on the scene's own grid whose pixels are
        0 where there is no ship, with the connected pixels (8 neighbours) of each ship as one; where the file
        declares 255 as nodata, such pixels are ignored.
    ignore: a vector file of what is to be left out.
    only: the pixel value of a raster, and the name in the column `class` of a vector file, that count; None: all.
    Raises SceneError for files that cannot be read, and for rasters of another size than the scene.
    """
    raster = path.suffix.lower() in RASTER_SUFFIXES
    ignored = read_polygons(ignore, georeference, "the ignore layer") if ignore else []
    if raster:
        ships, unknown = _raster_labels(path, georeference, only[0] if only else None)
        return Labels(tuple(ships), (*ignored, *unknown))
    named = ("class", only[1]) if only else None
    return Labels(tuple(read_polygons(path, georeference, "the labels", named)), tuple(ignored))


def _raster_labels(
    path: Path, georeference: Georeference, only: int | None
) -> tuple[list[BaseGeometry], list[BaseGeometry]]:
    """Ships, and what the file declares as not known."""
    source = resolve(str(path), trust_vrt=False)
    try:
        with gdal_env(source), open_dataset(source) as dataset:
            found = dataset.shape
            values, valid = dataset.read(1), dataset.read_masks(1) > 0
            unknown = (values == IGNORED) & (dataset.nodata == IGNORED)
    except RasterioError as error:
        raise SceneError(f"cannot read the labels {path}: {error.__cause__ or error}") from error
    if found != (georeference.height, georeference.width):
        raise SceneError(
            f"the labels {path} have {found[0]} x {found[1]} pixels and the scene {georeference.height} x "
            f"{georeference.width}; bring them to the scene's grid, or give a vector file"
        )
    return _outlines((values > 0 if only is None else values == only) & valid), _outlines(unknown)


def _outlines(pixels: NDArray[np.bool_]) -> list[BaseGeometry]:
    shapes = rasterio.features.shapes(pixels.astype(np.uint8), mask=pixels, connectivity=8)
    return [shapely.make_valid(shapely.geometry.shape(shape)) for shape, _ in shapes]
