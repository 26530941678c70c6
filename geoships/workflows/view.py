"""Ships and their scene as one web page: look at them without a GIS.

ships, scene -> overview on a map, outlines, chips -> one HTML file
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from PIL import Image
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError
from geoships.output.pictures.canvas import Canvas, Floats
from geoships.output.read_ships import read_ships
from geoships.output.viewer.page import leaflet, write_page
from geoships.scene.layers.polygons import to_pixels
from geoships.scene.quicklook import Quicklook, RGBImage, open_quicklook
from geoships.scene.tiling.windows import Window
from geoships.support.files import reserve

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PAGE_BYTES = 29_000_000  # of a whole page, where its ships alone are not more
PICTURE_BYTES = 9_000_000  # of the scene's picture
PICTURE_SIZE = 4096  # pixels of its longest side
OUTLINE_BYTES = 6_000_000  # of exact outlines; beyond, ships are drawn as rectangles
CHIP_COUNT = 5000
CHIP_SIZE = 128  # pixels of its longest side
CHIP_LEAST = 40  # scene pixels of a chip, at least
UNITS = {True: 10**6, False: 10**2}  # steps a degree of a map (0.1 m), and a pixel

# Label, unit and decimals of known columns; those with True are in the table, too.
_COLUMNS: dict[str, tuple[str, str, int, bool]] = {
    "score": ("score", "", 2, True),
    "length_m": ("length", "m", 0, True),
    "width_m": ("width", "m", 0, True),
    "heading_deg": ("heading", "°", 0, True),
    "class_prob": ("verified", "", 2, True),
    "area_m2": ("area", "m²", 0, False),
    "lon": ("longitude", "°", 5, False),
    "lat": ("latitude", "°", 5, False),
    "pixels": ("pixels", "", 0, False),
    "on_border": ("on the scene's border", "", 0, False),
    "datetime": ("acquired", "", 0, False),
}


@dataclass(frozen=True)
class View:
    """A page that was written.

    page: its file. ships: number of ships. chips: number of ships with a picture of their own.
    in_scene: number of ships that lie in the scene, wholly or in part. bytes: size of the page.
    """

    page: Path
    ships: int
    chips: int
    in_scene: int
    bytes: int


def write_view(
    ships: Path,
    scene: str | Path,
    out: Path,
    *,
    bands: Sequence[int | str] | None = None,
    trust_vrt: bool = False,
) -> View:
    """Write one HTML file that shows ships in their scene, and works offline.

    ships: GeoJSON, GeoPackage, FlatGeobuf or GeoParquet. scene: as for `predict`. out: the page, .html.
    bands: three to show as red, green and blue, or one to show in grey; None: by their names.
    A page stays below about 30 MB: the scene's picture is an overview, and the ships of the highest scores have chips.

    Raises GeoshipsError; an older file at `out` is then as it was.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise GeoshipsError(f"cannot write {out}: a page's name must end with .html")
    reserve(out)
    leaflet()
    frame = read_ships(ships)
    with open_quicklook(scene, size=PICTURE_SIZE, bands=bands, trust_vrt=trust_vrt) as look:
        canvas = Canvas.of(look.georeference)
        crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
        polygons = [shapely.Polygon() if shape is None else shape for shape in frame.geometry]
        pixels = [to_pixels(polygon, crs, look.georeference) for polygon in polygons]
        content = _content(frame, look, canvas)
        content["outlines"], exact = _outlines(canvas, polygons, pixels, crs)
        content["scene"] = _scene(look, canvas)
        spare = PAGE_BYTES - len(json.dumps(content))
        content["chips"] = chips = _chips(look, pixels, content["values"].get("score"), spare)
    content["notes"] = _notes(len(frame), len(chips), exact)
    write_page(out, f"Ships in {look.title}", content)
    inside = shapely.box(0, 0, look.window.width, look.window.height)
    return View(out, len(frame), len(chips), sum(map(inside.intersects, pixels)), out.stat().st_size)


def _content(frame: GeoDataFrame, look: Quicklook, canvas: Canvas) -> dict[str, Any]:
    """What the page says of the scene and of each ship."""
    table = frame.drop(columns=frame.geometry.name)
    columns, values = [], {}
    for name in [*(known for known in _COLUMNS if known in table), *(n for n in table if n not in _COLUMNS)]:
        if name == "id" or (name != "score" and table[name].isna().all()):
            continue
        kind, values[name] = _values(table[name])
        label, unit, digits, tabled = _COLUMNS.get(name, (str(name), "", 3, False))
        columns.append({"name": name, "label": label, "unit": unit, "digits": digits, "kind": kind, "table": tabled})
    if not any(column["table"] for column in columns):
        columns = [{**column, "table": index < 5} for index, column in enumerate(columns)]
    names = [str(value) for value in table["id"]] if "id" in table else [str(n + 1) for n in range(len(table))]
    where = "in Web Mercator" if canvas.on_map else "in pixels (column, row)"
    scene = look.georeference
    return {
        "title": look.title,
        "about": f"{scene.width} x {scene.height} pixels, {look.band_names}, drawn {where}",
        "on_map": canvas.on_map,
        "pixel_metres": scene.pixel_size()[0] if scene.pixel_size() else None,  # type: ignore[index]
        "unit": UNITS[canvas.on_map],
        "columns": columns,
        "values": values,
        "names": names,
    }


def _values(column: pd.Series[Any]) -> tuple[str, list[Any]]:
    """Kind (number, bool or text) and JSON values of a column; None for what is missing."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return "bool", [None if pd.isna(value) else bool(value) for value in column]
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = (None if pd.isna(value) else float(value) for value in column)
        return "number", [None if n is None or not math.isfinite(n) else round(n, 6) for n in numbers]
    return "text", [None if value is None or value is pd.NA or value != value else str(value) for value in column]


def _outlines(
    canvas: Canvas, polygons: Sequence[BaseGeometry], pixels: Sequence[BaseGeometry], crs: CRS | None
) -> tuple[list[Any], bool]:
    """Rings of each polygon of each ship as differences of whole numbers, and whether they are exact."""
    outlines = _encoded(canvas, polygons, pixels, crs)
    if len(json.dumps(outlines, separators=(",", ":"))) <= OUTLINE_BYTES:
        return outlines, True
    boxes = [[shapely.oriented_envelope(shape) for shape in shapes] for shapes in (polygons, pixels)]
    return _encoded(canvas, boxes[0], boxes[1], crs), False


def _encoded(
    canvas: Canvas, polygons: Sequence[BaseGeometry], pixels: Sequence[BaseGeometry], crs: CRS | None
) -> list[Any]:
    unit = UNITS[canvas.on_map]
    shapes = polygons if canvas.on_map else pixels
    encoded: list[Any] = []
    for shape, corners in zip(shapes, canvas.project(polygons, pixels, crs), strict=True):
        if not np.isfinite(corners).all():  # off the map
            encoded.append([])
            continue
        parts, first = [], 0
        for part in shapely.get_parts(shape):
            rings = []
            for ring in [part.exterior, *part.interiors] if isinstance(part, shapely.Polygon) else []:
                last = first + len(ring.coords)
                rings.append(_steps(corners[first:last], unit))
                first = last
            if rings and rings[0]:
                parts.append(rings)
        encoded.append(parts)
    return encoded


def _steps(ring: Floats, unit: int) -> list[int]:
    """Whole numbers, each corner as the difference (y, x) to the one before; the closing corner is left out.

    >>> _steps(np.array([[0.01, 1], [0.02, 1], [0.02, 3], [0.01, 1]]), 100)
    [1, 100, 1, 0, 0, 200]
    """
    whole: NDArray[np.int64] = np.round(ring[:-1] * unit).astype(np.int64)
    return np.diff(whole, axis=0, prepend=0).ravel().tolist()


def _scene(look: Quicklook, canvas: Canvas) -> dict[str, Any]:
    """The scene's picture as a data address, its bounds, and the scene's columns."""
    rgba, bounds = canvas.render(look.overview, PICTURE_SIZE)
    picture = Image.fromarray(rgba)
    encoded = _webp(picture, 85)
    while len(encoded) > PICTURE_BYTES:
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))
        encoded = _webp(picture, 80)
    address = f"data:image/webp;base64,{base64.b64encode(encoded).decode()}"
    return {"picture": address, "bounds": bounds, "columns": look.georeference.width}


def _chips(
    look: Quicklook, pixels: Sequence[BaseGeometry], scores: Sequence[float | None] | None, spare: int
) -> dict[int, str]:
    """Pictures by number of ship (from 0), of the highest scores first, as many as fit into so many bytes of text."""
    ranks = scores or [None] * len(pixels)
    ranked = sorted(range(len(pixels)), key=lambda ship: -(ranks[ship] or 0))
    windows = {ship: _around(pixels[ship], look.window) for ship in ranked if not pixels[ship].is_empty}
    chosen = [ship for ship in ranked if ship in windows and not windows[ship].empty][:CHIP_COUNT]
    made = {}
    for ship in sorted(chosen, key=lambda ship: (windows[ship].row // 512, windows[ship].column)):  # near ones together
        chip: RGBImage = look.read(windows[ship], CHIP_SIZE)
        made[ship] = base64.b64encode(_webp(Image.fromarray(_north_up(chip, look)), 80)).decode()
    kept: dict[int, str] = {}
    for ship in chosen:
        spare -= len(made[ship]) + 16
        if spare < 0:
            break
        kept[ship] = made[ship]
    return kept


def _north_up(chip: RGBImage, look: Quicklook) -> RGBImage:
    return chip[::-1] if look.georeference.south_up else chip


def _around(outline: BaseGeometry, scene: Window) -> Window:
    """A square with some water around a ship, as far as it lies in the scene."""
    bounds = np.array(outline.bounds)
    if not np.isfinite(bounds).all():
        return Window(0, 0, 0, 0)
    west, north, east, south = bounds.tolist()
    side = round(max(CHIP_LEAST, 1.6 * (east - west), 1.6 * (south - north)))
    row, column = round((north + south - side) / 2), round((west + east - side) / 2)
    return Window(row, column, side, side).intersection(scene)


def _webp(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=quality, method=4)
    return file.getvalue()


def _notes(ships: int, chips: int, exact: bool) -> list[str]:
    """Remarks below the table."""
    notes = []
    if chips < ships:
        notes.append(f"{chips} of {ships} ships have a picture here, those with the highest scores first.")
    if not exact:
        notes.append("The ships are many: rectangles stand for their outlines.")
    return [*notes, "Made by geoships; the map is drawn by Leaflet (BSD 2-Clause licence)."]
