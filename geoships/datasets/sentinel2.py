"""Pictures of Sentinel-2 for a box of degrees: the best pass of a search in a STAC API, as one raster.

Items are read by odc-stac, which loads in chunks, so that no more than a few rows of them are in memory.
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
from geoships.scene.opening.stac_search import Box, FoundItem, bbox_shape
from geoships.scene.reader import Scene, open_scene
from geoships.scene.tiling.windows import Window

if TYPE_CHECKING:
    import xarray

MISSING = "fetching scenes needs more packages: pip install 'geoships[data]'"
PASS = timedelta(minutes=15)  # a satellite crosses a box in less, and comes back after an orbit of 100 minutes
ADDED = 0.001  # share of the box that an Item has to add to those before it
NODATA = 0  # of all products of Sentinel-2
CHUNK = 1024  # rows and columns that are read at a time
RESAMPLING = "bilinear"  # as scenes of files in several pixel sizes are read


def choose_pass(found: Sequence[FoundItem], bbox: Box) -> list[FoundItem]:
    """The Items of the best pass of a satellite over a box; the first lies on top where they overlap.

    That is the pass that covers most of the box (to a percent), of these the one with the fewest clouds, of these the
    newest. Items of different passes never mix, for ships move. An Item that adds nothing to the others of its pass,
    such as a picture that was processed twice, is left out.

    Raises SceneError where no Item covers any of the box.
    """
    passes = [_needed(items, bbox) for items in _passes(found)]
    passes = [items for items in passes if items]
    if not passes:
        raise SceneError("no item that was found has a footprint in the box; check --bbox")
    return min(passes, key=lambda items: _order(items, bbox))


def _passes(found: Sequence[FoundItem]) -> list[list[FoundItem]]:
    timed = sorted((item for item in found if item.acquired), key=lambda item: _start(item))
    passes = [[item] for item in found if not item.acquired]
    for before, item in zip([None, *timed], timed, strict=False):
        if before is not None and _start(item) - _start(before) <= PASS.total_seconds():
            passes[-1].append(item)
        else:
            passes.append([item])
    return passes


def _start(item: FoundItem) -> float:
    return item.acquired.start.timestamp() if item.acquired else 0.0


def _needed(items: Sequence[FoundItem], bbox: Box) -> list[FoundItem]:
    area = bbox_shape(bbox).area
    seen: BaseGeometry = shapely.Polygon()
    needed: list[FoundItem] = []
    for item in sorted(items, key=lambda item: item.order):
        joined = shapely.union(seen, item.part)
        if joined.area - seen.area > ADDED * area:
            seen = joined
            needed.append(item)
    return needed


def _order(items: Sequence[FoundItem], bbox: Box) -> tuple[float, float, float]:
    """Sorts passes, the best first."""
    covered = shapely.union_all([item.part for item in items]).area / bbox_shape(bbox).area
    clouds = [101.0 if item.cloud is None else item.cloud for item in items]
    return -round(covered, 2), float(np.average(clouds, weights=[i.part.area for i in items])), -_start(items[0])


def check_box(bbox: Box) -> None:
    """Raise SceneError where a box, in degrees, crosses the antimeridian."""
    if bbox[0] > bbox[2]:
        raise SceneError("--bbox crosses the antimeridian, and one raster cannot; fetch its two sides one by one")


@dataclass(frozen=True)
class Mosaic:
    """The Items of a pass on one grid, not yet read.

    layout: what the raster is to hold. names: ids of its Items. cube: its bands, loaded on demand.
    acquired: when the first Item was taken, as text; None where it does not say.
    warnings: what the user should know.
    """

    layout: Layout
    names: tuple[str, ...]
    cube: xarray.Dataset
    acquired: str | None
    warnings: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[Window, NDArray[np.generic]]]:
        """Windows of full width, from top to bottom, with stored numbers (bands, rows, columns).

        Raises SceneError where a file of an Item cannot be read.
        """
        height, width = self.layout.height, self.layout.width
        for row in range(0, height, CHUNK):
            window = Window(row, 0, min(CHUNK, height - row), width)
            part = self.cube.isel(time=0, y=slice(window.row, window.row_end))
            try:
                loaded = part.compute()
            except (RasterioError, OSError, ValueError) as error:
                reason = " ".join(str(error.__cause__ or error).split())[:200]
                raise SceneError(f"cannot read {', '.join(self.names)}: {reason}; check the connection") from error
            yield window, np.stack([loaded[band].values for band in self.layout.bands])

    def write(self, path: Path, advance: Callable[[int], None] = lambda _: None) -> None:
        """Write it as a COG. advance: is told how many more pixels are done. Raises SceneError and OutputError."""

        def told() -> Iterator[tuple[Window, NDArray[np.generic]]]:
            for window, values in self.rows():
                yield window, values
                advance(window.height * window.width)

        write_cog(path, self.layout, told())


def open_mosaic(items: Sequence[FoundItem], bands: Sequence[str], bbox: Box) -> Mosaic:
    """Bring the Items of a pass to one grid: that of the first one's finest band, cut to the box.

    items: of `choose_pass`. bands: common names, or Sentinel-2's own. bbox: west, south, east, north in degrees.

    Numbers stay as they are stored. Where Items differ in scale or offset, those that cover most of the box are taken,
    and the others left out, with a warning.

    Raises SceneError where an Item lacks a band, or a file cannot be opened safely.
    """
    check_box(bbox)
    wanted = _band_names(bands)
    with ExitStack() as stack:
        parts = [stack.enter_context(_Part.of(item, wanted)) for item in items]
        fitting = _of_one_rule(parts)
        first = fitting[0].scene
        warnings = [text for part in fitting for text in part.scene.warnings]
        if other := [part.found.name for part in parts if part not in fitting]:
            warnings.append(f"left out, because their numbers have another scale or offset: {', '.join(other)}")
        transform, crs, (height, width) = _grid([part.scene for part in fitting], bbox)
    tags = {"SOURCE": " ".join(public_name(part.found.address) for part in fitting)}
    if first.datetime:
        tags["ACQUISITIONDATETIME"] = first.datetime
    scale, offset = fitting[0].rule
    layout = Layout(height, width, str(first.dtype), transform, crs, wanted, scale, offset, NODATA, tags)
    names = tuple(part.found.name for part in fitting)
    return Mosaic(layout, names, _load(fitting, layout), first.datetime, tuple(dict.fromkeys(warnings)))


@dataclass(frozen=True)
class _Part:
    """An Item and its opened files."""

    found: FoundItem
    files: BandFiles
    scene: Scene

    @classmethod
    @contextmanager
    def of(cls, item: FoundItem, wanted: Sequence[str]) -> Iterator[_Part]:
        files = SceneFile(item.address).files
        assert files is not None, "a search finds Items"
        held = {file.name: file for file in files.files}
        lacking = [name for name in wanted if name not in held]
        if lacking:
            raise SceneError(f"{item.name} has no {', '.join(lacking)}; it has {', '.join(held)}: choose with --bands")
        files = replace(files, files=tuple(held[name] for name in wanted))
        if any(file.index != 1 for file in files.files):
            raise SceneError(f"{item.name} holds several bands in one file, which is not how Sentinel-2 comes")
        with open_scene(files, wanted) as scene:
            yield cls(item, files, scene)

    @property
    def rule(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and offset of each band."""
        return self.scene.radiometry.scale, self.scene.radiometry.offset


def _of_one_rule(parts: Sequence[_Part]) -> list[_Part]:
    """Those with the scale and offset that cover most of the box, in their order."""
    by_rule: dict[object, list[_Part]] = {}
    for part in parts:
        by_rule.setdefault(part.rule, []).append(part)
    return max(by_rule.values(), key=lambda alike: shapely.union_all([part.found.part for part in alike]).area)


def _band_names(bands: Sequence[str]) -> tuple[str, ...]:
    names = tuple(common_names([BandDescription(1, band)])[1] or band for band in bands)
    if not names or len(set(names)) < len(names):
        raise SceneError(f"--bands {','.join(bands)}: name each band once, e.g. blue,green,red,nir,swir16")
    return names


def _grid(scenes: Sequence[Scene], bbox: Box) -> tuple[Affine, CRS, tuple[int, int]]:
    """Transform, CRS and (rows, columns) of the box on the first scene's grid, no more than the scenes cover."""
    place = scenes[0].georeference
    transform = place.transform
    if transform is None or place.crs is None or transform.b or transform.d or transform.a < 0 < transform.e:
        raise SceneError(f"{scenes[0].title} has no place on Earth with north up, which Sentinel-2 has")
    crs = CRS.from_wkt(place.crs.to_wkt())
    box = transform_bounds("EPSG:4326", crs, *bbox)
    bounds = np.array([_bounds(scene, crs) for scene in scenes])
    covered = (*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0))
    west, south = max(box[0], covered[0]), max(box[1], covered[1])
    east, north = min(box[2], covered[2]), min(box[3], covered[3])
    left, top = (floor(value + 1e-6) for value in ~transform @ (west, north))  # pixels that agree to a millionth
    right, bottom = (ceil(value - 1e-6) for value in ~transform @ (east, south))
    if right <= left or bottom <= top:
        raise SceneError("the pictures that were found lie outside the box; check --bbox")
    return transform @ Affine.translation(left, top), crs, (bottom - top, right - left)


def _bounds(scene: Scene, crs: CRS) -> tuple[float, float, float, float]:
    place = scene.georeference
    x, y = place.to_map([0, place.width], [place.height, 0])
    assert place.crs is not None, "open_scene and _grid have placed it"
    west, south, east, north = transform_bounds(CRS.from_wkt(place.crs.to_wkt()), crs, x[0], y[0], x[1], y[1])
    return west, south, east, north


def _load(parts: Sequence[_Part], layout: Layout) -> xarray.Dataset:
    """The bands as arrays that are read on demand, the first part on top."""
    try:
        from odc.geo.geobox import GeoBox
        from odc.stac import load
        from pystac import Asset, Item
    except ImportError as error:
        raise SceneError(MISSING) from error
    grid = GeoBox((layout.height, layout.width), layout.transform, layout.crs)
    west, south = layout.transform @ (0, layout.height)
    east, north = layout.transform @ (layout.width, 0)
    # Pictures tell themselves what they cover: footprints in catalogues are rough.
    outline = shapely.box(*transform_bounds(layout.crs, "EPSG:4326", west, south, east, north))
    items = []
    for part in parts:
        item = Item(part.found.name, mapping(outline), list(outline.bounds), datetime.now(UTC), {}, collection="pass")
        for file in part.files.files:  # those that geoships has opened, by the drivers that it trusts
            item.add_asset(file.name, Asset(file.href, media_type="image/tiff; application=geotiff", roles=["data"]))
        items.append(item)
    with gdal_env():  # is handed on to the threads that read
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
