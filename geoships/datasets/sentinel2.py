"""Downloads Sentinel-2 scenes for a bounding box: the best pass that a STAC API has, as one raster.

odc-stac reads the Items in chunks, so only a few rows of them are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.output.cog import Layout, write_cog
from geoships.scene.bands import BandDescription, common_names
from geoships.scene.opening.band_files import BandFiles
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env, public_name
from geoships.scene.opening.stac_search import FoundItem
from geoships.scene.place import Box, bbox_shape
from geoships.scene.reader import Scene, open_scene
from geoships.scene.tiling.windows import Window

if TYPE_CHECKING:
    import xarray

MISSING = "downloading scenes needs more packages: pip install 'geoships[data]'"
PASS = timedelta(minutes=15)  # a satellite crosses a box in less time, and needs 100 minutes for an orbit
MIN_ADDED = 0.001  # minimum fraction of the box that an Item adds to those before it
NODATA = 0  # of all Sentinel-2 products
CHUNK = 1024  # rows and columns read at a time
RESAMPLING = "bilinear"  # as for scenes whose bands have several GSDs


def choose_pass(candidates: Sequence[FoundItem], bbox: Box) -> list[FoundItem]:
    """Choose the best pass of a satellite over a bounding box.

    The best pass covers most of the box (to a percent); of equal ones, the one with the least cloud cover; then the
    newest. Items of different passes are never mixed, because ships move. An Item that adds nothing to the others of
    its pass, such as a second processing of the same image, is left out.

    Args:
        candidates: Items of a search.
        bbox: West, south, east, north in degrees.

    Returns:
        The Items of the pass; the first has priority where they overlap.

    Raises:
        SceneError: No Item covers any of the box.
    """
    passes = [_without_redundant(items, bbox) for items in _group_passes(candidates)]
    passes = [items for items in passes if items]
    if not passes:
        raise SceneError("no Item of the search has a footprint in the box; check --bbox")
    return min(passes, key=lambda items: _rank(items, bbox))


def _group_passes(candidates: Sequence[FoundItem]) -> list[list[FoundItem]]:
    timed = sorted((item for item in candidates if item.acquired), key=lambda item: _start(item))
    passes = [[item] for item in candidates if not item.acquired]
    for previous, item in zip([None, *timed], timed, strict=False):
        if previous is not None and _start(item) - _start(previous) <= PASS.total_seconds():
            passes[-1].append(item)
        else:
            passes.append([item])
    return passes


def _start(item: FoundItem) -> float:
    return item.acquired.start.timestamp() if item.acquired else 0.0


def _without_redundant(items: Sequence[FoundItem], bbox: Box) -> list[FoundItem]:
    area = bbox_shape(bbox).area
    covered: BaseGeometry = shapely.Polygon()
    needed: list[FoundItem] = []
    for item in sorted(items, key=lambda item: item.order):
        joined = shapely.union(covered, item.part)
        if joined.area - covered.area > MIN_ADDED * area:
            covered = joined
            needed.append(item)
    return needed


def _rank(items: Sequence[FoundItem], bbox: Box) -> tuple[float, float, float]:
    """Return the sort key of a pass; lower is better."""
    coverage = shapely.union_all([item.part for item in items]).area / bbox_shape(bbox).area
    clouds = [101.0 if item.cloud is None else item.cloud for item in items]
    return -round(coverage, 2), float(np.average(clouds, weights=[i.part.area for i in items])), -_start(items[0])


def check_box(bbox: Box) -> None:
    """Check that a bounding box does not cross the antimeridian.

    Args:
        bbox: West, south, east, north in degrees.

    Raises:
        SceneError: It does.
    """
    if bbox[0] > bbox[2]:
        raise SceneError("--bbox crosses the antimeridian, which one raster cannot; download its two sides separately")


@dataclass(frozen=True)
class Mosaic:
    """The Items of a pass on one grid, read on demand.

    Attributes:
        layout: Grid, bands, data type and tags of the raster.
        names: Ids of the Items.
        cube: The bands as lazy arrays.
        acquired: Acquisition time of the first Item as text; None if unknown.
        warnings: Messages for the user.
    """

    layout: Layout
    names: tuple[str, ...]
    cube: xarray.Dataset
    acquired: str | None
    warnings: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[Window, NDArray[np.generic]]]:
        """Read the raster from top to bottom.

        Yields:
            A window of full width, and its stored values (bands, rows, columns).

        Raises:
            SceneError: A file of an Item cannot be read.
        """
        height, width = self.layout.height, self.layout.width
        for row in range(0, height, CHUNK):
            window = Window(row, 0, min(CHUNK, height - row), width)
            rows = self.cube.isel(time=0, y=slice(window.row, window.row_end))
            try:
                loaded = rows.compute()
            except (RasterioError, OSError, ValueError) as error:
                reason = " ".join(str(error.__cause__ or error).split())[:200]
                raise SceneError(f"cannot read {', '.join(self.names)}: {reason}; check the connection") from error
            yield window, np.stack([loaded[band].values for band in self.layout.bands])

    def write(self, path: Path, advance: Callable[[int], None] = lambda _: None) -> None:
        """Write the raster as a Cloud Optimized GeoTIFF.

        Args:
            path: GeoTIFF to write.
            advance: Called with the number of pixels of each window that has been read.

        Raises:
            SceneError: A file of an Item cannot be read.
            OutputError: The GeoTIFF cannot be written.
        """

        def rows_with_progress() -> Iterator[tuple[Window, NDArray[np.generic]]]:
            for window, values in self.rows():
                yield window, values
                advance(window.height * window.width)

        write_cog(path, self.layout, rows_with_progress())


def open_mosaic(items: Sequence[FoundItem], bands: Sequence[str], bbox: Box) -> Mosaic:
    """Resample the Items of a pass to one grid: that of the first Item's finest band, cropped to the box.

    Stored values are kept. Where Items differ in scale or offset, those with the scale and offset that cover most of
    the box are used; the others are left out with a warning.

    Args:
        items: Items of `choose_pass`.
        bands: Common names, or names of Sentinel-2 bands.
        bbox: West, south, east, north in degrees.

    Returns:
        The mosaic; nothing is read yet.

    Raises:
        SceneError: The box crosses the antimeridian, an Item lacks a band, or a file cannot be opened safely.
    """
    check_box(bbox)
    names = _band_names(bands)
    with ExitStack() as stack:
        opened = [stack.enter_context(_OpenItem.open(item, names)) for item in items]
        used = _with_same_scaling(opened)
        first = used[0].scene
        warnings = [text for each in used for text in each.scene.warnings]
        if others := [each.item.name for each in opened if each not in used]:
            warnings.append(f"left out, because their scale or offset differs: {', '.join(others)}")
        transform, crs, (height, width) = _grid([each.scene for each in used], bbox)
    tags = {"SOURCE": " ".join(public_name(each.item.address) for each in used)}
    if first.datetime:
        tags["ACQUISITIONDATETIME"] = first.datetime
    scale, offset = used[0].scaling
    layout = Layout(height, width, str(first.dtype), transform, crs, names, scale, offset, NODATA, tags)
    ids = tuple(each.item.name for each in used)
    return Mosaic(layout, ids, _load(used, layout), first.datetime, tuple(dict.fromkeys(warnings)))


@dataclass(frozen=True)
class _OpenItem:
    """An Item with its files and its opened scene."""

    item: FoundItem
    files: BandFiles
    scene: Scene

    @classmethod
    @contextmanager
    def open(cls, item: FoundItem, names: Sequence[str]) -> Iterator[_OpenItem]:
        files = SceneFile(item.address).files
        assert files is not None, "a search returns Items"
        by_name = {file.name: file for file in files.files}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise SceneError(
                f"{item.name}: no band {', '.join(missing)}; it has {', '.join(by_name)}: choose with --bands"
            )
        files = replace(files, files=tuple(by_name[name] for name in names))
        if any(file.index != 1 for file in files.files):
            raise SceneError(f"{item.name}: expected one band per file, as in Sentinel-2 products, got several")
        with open_scene(files, names) as scene:
            yield cls(item, files, scene)

    @property
    def scaling(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and offset of each band."""
        return self.scene.radiometry.scale, self.scene.radiometry.offset


def _with_same_scaling(opened: Sequence[_OpenItem]) -> list[_OpenItem]:
    """Return the Items that share the scale and offset which cover most of the box, in their order."""
    by_scaling: dict[object, list[_OpenItem]] = {}
    for each in opened:
        by_scaling.setdefault(each.scaling, []).append(each)
    return max(by_scaling.values(), key=lambda group: shapely.union_all([each.item.part for each in group]).area)


def _band_names(bands: Sequence[str]) -> tuple[str, ...]:
    names = tuple(common_names([BandDescription(1, band)])[1] or band for band in bands)
    if not names or len(set(names)) < len(names):
        raise SceneError(f"--bands {','.join(bands)}: name each band once, e.g. blue,green,red,nir,swir16")
    return names


def _grid(scenes: Sequence[Scene], bbox: Box) -> tuple[Affine, CRS, tuple[int, int]]:
    """Return transform, CRS and (rows, columns) of the box on the first scene's grid, clipped to what scenes cover."""
    georeference = scenes[0].georeference
    transform = georeference.transform
    if transform is None or georeference.crs is None or transform.b or transform.d or transform.a < 0 < transform.e:
        raise SceneError(f"{scenes[0].title}: expected a north-up georeference, as in Sentinel-2 products")
    crs = CRS.from_wkt(georeference.crs.to_wkt())
    box = transform_bounds("EPSG:4326", crs, *bbox)
    bounds = np.array([_bounds(scene, crs) for scene in scenes])
    covered = (*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0))
    west, south = max(box[0], covered[0]), max(box[1], covered[1])
    east, north = min(box[2], covered[2]), min(box[3], covered[3])
    left, top = (floor(value + 1e-6) for value in ~transform @ (west, north))  # 1e-6: rounding errors
    right, bottom = (ceil(value - 1e-6) for value in ~transform @ (east, south))
    if right <= left or bottom <= top:
        raise SceneError("the scenes of the search lie outside the box; check --bbox")
    return transform @ Affine.translation(left, top), crs, (bottom - top, right - left)


def _bounds(scene: Scene, crs: CRS) -> tuple[float, float, float, float]:
    georeference = scene.georeference
    x, y = georeference.to_map([0, georeference.width], [georeference.height, 0])
    assert georeference.crs is not None, "_grid has checked it"
    west, south, east, north = transform_bounds(CRS.from_wkt(georeference.crs.to_wkt()), crs, x[0], y[0], x[1], y[1])
    return west, south, east, north


def _load(opened: Sequence[_OpenItem], layout: Layout) -> xarray.Dataset:
    """Return the bands as lazy arrays; the first Item has priority where they overlap."""
    try:
        from odc.geo.geobox import GeoBox
        from odc.stac import load
        from pystac import Asset, Item
    except ImportError as error:
        raise SceneError(MISSING) from error
    grid = GeoBox((layout.height, layout.width), layout.transform, layout.crs)
    west, south = layout.transform @ (0, layout.height)
    east, north = layout.transform @ (layout.width, 0)
    # Items get the box as footprint, because footprints in catalogues are approximate; nodata says what they cover.
    outline = shapely.box(*transform_bounds(layout.crs, "EPSG:4326", west, south, east, north))
    items = []
    for each in opened:
        item = Item(each.item.name, mapping(outline), list(outline.bounds), datetime.now(UTC), {}, collection="pass")
        for file in each.files.files:  # geoships has opened these with drivers that it trusts
            item.add_asset(file.name, Asset(file.href, media_type="image/tiff; application=geotiff", roles=["data"]))
        items.append(item)
    with gdal_env():  # odc-stac passes it on to its reading threads
        cube: xarray.Dataset = load(
            items,
            bands=layout.bands,
            geobox=grid,
            groupby=lambda *_: "pass",
            preserve_original_order=True,
            chunks={"x": CHUNK, "y": CHUNK},
            resampling=RESAMPLING,
            dtype=layout.dtype,
            nodata=NODATA,
            stac_cfg={"*": {"assets": {"*": {"data_type": layout.dtype, "nodata": NODATA}}, "warnings": "ignore"}},
        )
    return cube
