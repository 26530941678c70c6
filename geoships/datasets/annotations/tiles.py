"""Tiles of a scene for an annotation tool, and the list that leads their labels back."""

from __future__ import annotations

import math
import warnings
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
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RasterioWindow
from rasterio.windows import transform as transform_of

from geoships.errors import GeoshipsError
from geoships.scene.georeference import Georeference
from geoships.scene.quicklook import Picture, Quicklook, open_quicklook
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write, output_errors

MANIFEST = "tiles.json"
Kind = Literal["png", "tif"]


class Tile(BaseModel):
    """One tile: its file, and its place in pixels of the scene."""

    model_config = ConfigDict(frozen=True)

    file: str
    row: int
    column: int
    height: int
    width: int

    @property
    def window(self) -> Window:
        """Its place in the scene."""
        return Window(self.row, self.column, self.height, self.width)


class Manifest(BaseModel):
    """The tiles of a scene, and its grid.

    scene: as the user named it. crs: as WKT. transform: a, b, c, d, e, f of the affine from (column, row) to map
    coordinates. gcps: row, column, x, y, z of ground control points. bands: those shown.
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
        """The grid and place of the scene. Raises GeoshipsError for a CRS that PROJ does not know."""
        try:
            crs = CRS.from_wkt(self.crs) if self.crs else None
        except CRSError as error:
            raise GeoshipsError(f"the list of tiles has a CRS that is not known: {error}") from error
        points = tuple(GroundControlPoint(*point) for point in self.gcps)
        return Georeference(self.height, self.width, Affine(*self.transform) if self.transform else None, crs, points)


@dataclass(frozen=True)
class Cut:
    """What was cut. tiles: written. empty: left out, without data. manifest: the list of tiles."""

    tiles: int
    empty: int
    manifest: Path


def read_manifest(path: Path) -> Manifest:
    """Read a list of tiles: the file, or the folder that holds it. Raises GeoshipsError."""
    path = path / MANIFEST if path.is_dir() else path
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GeoshipsError(f"cannot read the list of tiles {path}: {error.strerror}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise GeoshipsError(
            f"{path} is no list of tiles of geoships data label-tiles: {where}: {fault['msg']}"
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
) -> Cut:
    """Cut a scene into tiles in true or false colours, all stretched alike; tiles without data are left out.

    scene: as for `predict`. out: folder; is made where it is missing. size, overlap: in pixels of the scene; tiles
    at the lower and right edge are smaller. kind: PNG with a world file, or GeoTIFF.
    bands: three to show as red, green, blue, or one; see `open_quicklook`.
    Raises GeoshipsError where the scene cannot be read or the folder cannot be written.
    """
    if not 0 <= overlap < size:
        raise GeoshipsError(f"tiles of {size} pixels cannot overlap by {overlap}")
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    if (out / MANIFEST).exists():
        raise GeoshipsError(f"{out} holds tiles already ({MANIFEST}); choose another folder")
    tiles, empty = [], 0
    with open_quicklook(scene, bands=bands, trust_vrt=trust_vrt) as look:
        stem = Path(look.title).stem
        for window in _windows(look.window, size, size - overlap):
            if not _has_data(look, window):
                empty += 1
                continue
            picture = look.cut(window, size)
            tile = Tile(file=f"{stem}_{window.row}_{window.column}.{kind}", **vars(window))
            (_write_png if kind == "png" else _write_tif)(out / tile.file, picture, window, look.georeference)
            tiles.append(tile)
        manifest = _manifest(scene, look, tuple(tiles))
    with atomic_write(out / MANIFEST) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    return Cut(len(tiles), empty, out / MANIFEST)


def _windows(scene: Window, size: int, stride: int) -> list[Window]:
    """Tiles that cover a scene, cut at its edges; none lies within another.

    >>> [window.column for window in _windows(Window(0, 0, 10, 25), 10, 8)]
    [0, 8, 16]
    """
    rows, columns = (range(0, stride * (1 + max(0, math.ceil((n - size) / stride))), stride) for n in scene.shape)
    return [Window(row, column, size, size).intersection(scene) for row in rows for column in columns]


def _has_data(look: Quicklook, window: Window) -> bool:
    """Whether the overview shows data in a window."""
    across, down = look.overview.scale
    rows = slice(int(window.row * down), math.ceil(window.row_end * down))
    columns = slice(int(window.column * across), math.ceil(window.column_end * across))
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
        bands=look.how,
        tiles=tiles,
    )


def _place(window: Window, georeference: Georeference) -> Affine | None:
    if georeference.transform is None:
        return None
    area = RasterioWindow(window.column, window.row, window.width, window.height)
    place: Affine = transform_of(area, georeference.transform)
    return place


def _write_png(path: Path, picture: Picture, window: Window, georeference: Georeference) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    if (place := _place(window, georeference)) is None:
        return
    x, y = place.a * 0.5 + place.b * 0.5 + place.c, place.d * 0.5 + place.e * 0.5 + place.f  # of the first centre
    with atomic_write(path.with_suffix(".pgw")) as temporary:
        lines = (place.a, place.d, place.b, place.e, x, y)
        temporary.write_text("".join(f"{value!r}\n" for value in map(float, lines)), encoding="ascii")
    if georeference.crs is not None:
        with atomic_write(path.with_suffix(".prj")) as temporary:
            temporary.write_text(georeference.crs.to_wkt("WKT1_ESRI"), encoding="ascii")


def _write_tif(path: Path, picture: Picture, window: Window, georeference: Georeference) -> None:
    place = _place(window, georeference)
    crs = None if georeference.crs is None else rasterio.CRS.from_user_input(georeference.crs)
    placement = {"crs": crs, "transform": place} if place is not None else {}
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            temporary, "w", driver="GTiff", count=3, dtype="uint8", photometric="rgb", compress="deflate",
            height=window.height, width=window.width, **placement,
        ) as file:  # fmt: skip
            file.write(np.ascontiguousarray(picture.transpose(2, 0, 1)))
