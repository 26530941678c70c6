"""Cuts a scene into tiles for an annotation tool, with a manifest that maps their labels back to the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import rasterio
from affine import Affine
from pydantic import BaseModel, ConfigDict, ValidationError
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.control import GroundControlPoint
from rasterio.windows import Window as RasterioWindow
from rasterio.windows import transform as transform_of

from geoships.errors import GeoshipsError
from geoships.scene.georeference import Georeference
from geoships.scene.opening.raster import local_file
from geoships.scene.quicklook import Quicklook, RGBImage, open_quicklook
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write, output_errors
from geoships.support.overwrite import refuse_overwrites, set_aside
from geoships.support.transform_warning import without_transform_warning

MANIFEST = "tiles.json"
Kind = Literal["png", "tif"]


class Tile(BaseModel):
    """One tile.

    Attributes:
        file: Name of its file in the manifest's folder.
        row: Its first row in the scene.
        column: Its first column in the scene.
        height: Rows.
        width: Columns.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    row: int
    column: int
    height: int
    width: int

    @property
    def window(self) -> Window:
        """Its window in pixels of the scene."""
        return Window(self.row, self.column, self.height, self.width)


class Manifest(BaseModel):
    """The tiles of a scene and the scene's grid: the content of `tiles.json`.

    Attributes:
        scene: The scene as the user named it.
        height: Rows of the scene.
        width: Columns of the scene.
        crs: WKT, or None.
        transform: Coefficients a, b, c, d, e, f of the geotransform from (column, row) to map coordinates, or None.
        gcps: Row, column, x, y and z of ground control points.
        bands: Description of the bands shown.
        tiles: The tiles in row-major order.
    """

    model_config = ConfigDict(frozen=True)

    scene: str
    height: int
    width: int
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    gcps: tuple[tuple[float, float, float, float, float], ...] = ()
    bands: str = ""
    tiles: tuple[Tile, ...]

    @property
    def georeference(self) -> Georeference:
        """Grid and georeference of the scene.

        Raises:
            GeoshipsError: PROJ cannot read the CRS.
        """
        try:
            crs = CRS.from_wkt(self.crs) if self.crs else None
        except CRSError as error:
            raise GeoshipsError(f"{MANIFEST}: PROJ cannot read the CRS: {error}") from error
        points = tuple(GroundControlPoint(*point) for point in self.gcps)
        return Georeference(self.height, self.width, Affine(*self.transform) if self.transform else None, crs, points)


@dataclass(frozen=True)
class TileSummary:
    """The result of `cut_tiles`.

    Attributes:
        tiles: Number of tiles written.
        empty: Number of tiles skipped because they hold no data.
        manifest: Path of `tiles.json`.
    """

    tiles: int
    empty: int
    manifest: Path


def read_manifest(path: Path) -> Manifest:
    """Read a manifest of tiles.

    Args:
        path: `tiles.json`, or its folder.

    Returns:
        The manifest.

    Raises:
        GeoshipsError: The file is missing or not a manifest.
    """
    path = path / MANIFEST if path.is_dir() else path
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GeoshipsError(f"cannot read the tile manifest {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise GeoshipsError(
            f"{path}: expected a manifest from geoships data label-tiles: {field}: {first['msg']}"
        ) from error


def cut_tiles(
    scene: str,
    out: Path,
    *,
    size: int = 512,
    overlap: int = 0,
    kind: Kind = "png",
    bands: tuple[int | str, ...] | None = None,
    trust_vrt: bool = False,
    overwrite: bool = False,
) -> TileSummary:
    """Cut a scene into RGB tiles in true or false colour with one contrast stretch; tiles without data are skipped.

    Args:
        scene: A raster, as for `geoships.predict`.
        out: Folder for the tiles and the manifest; created if needed.
        size: Pixels per side; tiles at the lower and right edge are smaller.
        overlap: Pixels that neighbouring tiles share.
        kind: ``png`` with a world file, or ``tif``.
        bands: Three bands to show as red, green and blue, or one; see `open_quicklook`.
        trust_vrt: Open VRT files, which can refer to any other file.
        overwrite: Replace the tiles that the folder holds, and its manifest; other files in it stay.

    Returns:
        The numbers of tiles, and the manifest.

    Raises:
        GeoshipsError: The scene cannot be read, the folder cannot be written or already holds tiles, or `overlap` is
            not less than `size`.
    """
    if not 0 <= overlap < size:
        raise GeoshipsError(f"tiles of {size} pixels: expected an overlap from 0 to {size - 1}, got {overlap}")
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with open_quicklook(scene, bands=bands, trust_vrt=trust_vrt) as look:
        stem = Path(look.title).stem
        windows = _windows(look.window, size, size - overlap)
        tiles = [Tile(file=f"{stem}_{w.row}_{w.column}.{kind}", **vars(w)) for w in windows]
        files = [out / MANIFEST, *(path for tile in tiles for path in _tile_files(out / tile.file))]
        read = local_file(scene)
        refuse_overwrites(files, [read] if read else (), overwrite=overwrite)
        old = _old_tiles(out)
        refuse_overwrites(old, [read] if read else (), overwrite=True)
        with set_aside((*files, *old)):
            shown = [tile for tile in tiles if _has_data(look, tile.window)]
            for tile in shown:
                write = _write_png if kind == "png" else _write_tif
                write(out / tile.file, look.read(tile.window, size), tile.window, look.georeference)
            with atomic_write(out / MANIFEST) as temporary:
                manifest = _manifest(scene, look, tuple(shown))
                temporary.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    return TileSummary(len(shown), len(tiles) - len(shown), out / MANIFEST)


def _tile_files(path: Path) -> list[Path]:
    """The files of a tile: a PNG has a world file and its CRS beside it."""
    return [path, *(path.with_suffix(suffix) for suffix in (".pgw", ".prj") if path.suffix == ".png")]


def _old_tiles(folder: Path) -> list[Path]:
    """The files of the tiles that a folder's manifest lists; none without a manifest that can be read."""
    try:
        names = [tile.file for tile in read_manifest(folder).tiles]
    except GeoshipsError:
        return []
    return [path for name in names if Path(name).name == name for path in _tile_files(folder / name)]


def _windows(scene: Window, size: int, stride: int) -> list[Window]:
    """Return the windows that cover a scene, clipped to it; none lies within another.

    >>> [window.column for window in _windows(Window(0, 0, 10, 25), 10, 8)]
    [0, 8, 16]
    """
    rows, columns = (range(0, stride * (1 + max(0, math.ceil((n - size) / stride))), stride) for n in scene.shape)
    return [Window(row, column, size, size).intersection(scene) for row in rows for column in columns]


def _has_data(look: Quicklook, window: Window) -> bool:
    """Return whether the overview has data in a window."""
    scale_x, scale_y = look.overview.scale
    rows = slice(int(window.row * scale_y), math.ceil(window.row_end * scale_y))
    columns = slice(int(window.column * scale_x), math.ceil(window.column_end * scale_x))
    return bool(look.overview.valid[rows, columns].any())


def _manifest(scene: str, look: Quicklook, tiles: tuple[Tile, ...]) -> Manifest:
    grid = look.georeference
    transform = grid.transform
    return Manifest(
        scene=scene,
        height=grid.height,
        width=grid.width,
        crs=grid.crs.to_wkt() if grid.crs else None,
        transform=None
        if transform is None
        else (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f),
        gcps=tuple((p.row, p.col, p.x, p.y, p.z or 0.0) for p in grid.gcps),
        bands=look.band_names,
        tiles=tiles,
    )


def _window_transform(window: Window, georeference: Georeference) -> Affine | None:
    if georeference.transform is None:
        return None
    area = RasterioWindow(window.column, window.row, window.width, window.height)
    transform: Affine = transform_of(area, georeference.transform)
    return transform


def _write_png(path: Path, rgb: RGBImage, window: Window, georeference: Georeference) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
    if (transform := _window_transform(window, georeference)) is None:
        return
    x, y = transform @ (0.5, 0.5)  # a world file gives the centre of the first pixel
    with atomic_write(path.with_suffix(".pgw")) as temporary:
        lines = (transform.a, transform.d, transform.b, transform.e, x, y)
        temporary.write_text("".join(f"{value!r}\n" for value in map(float, lines)), encoding="ascii")
    if georeference.crs is not None:
        with atomic_write(path.with_suffix(".prj")) as temporary:
            temporary.write_text(georeference.crs.to_wkt("WKT1_ESRI"), encoding="ascii")


def _write_tif(path: Path, rgb: RGBImage, window: Window, georeference: Georeference) -> None:
    transform = _window_transform(window, georeference)
    crs = None if georeference.crs is None else rasterio.CRS.from_user_input(georeference.crs)
    grid = {"crs": crs, "transform": transform} if transform is not None else {}
    with atomic_write(path) as temporary, without_transform_warning(), rasterio.open(
        temporary, "w", driver="GTiff", count=3, dtype="uint8", photometric="rgb", compress="deflate",
        height=window.height, width=window.width, **grid,
    ) as file:  # fmt: skip
        file.write(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
