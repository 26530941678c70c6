"""Writes ships and their scene as one HTML page, to look at without a GIS.

ships, scene -> overview on a map, outlines, chips -> one HTML file
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections import Counter
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
from geoships.output.classes import PALETTE
from geoships.output.pictures.canvas import Canvas, Floats
from geoships.output.qgis.style_files import class_colours
from geoships.output.read_ships import read_ships
from geoships.output.viewer.page import leaflet, write_page
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.layers.repair import UsablePolygons, left_out_summary, usable_polygons
from geoships.scene.layers.vector_file import vector_files
from geoships.scene.opening.raster import local_file
from geoships.scene.quicklook import Quicklook, RGBImage, open_quicklook
from geoships.scene.tiling.windows import Window
from geoships.support.files import reserve
from geoships.support.overwrite import refuse_overwrites

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PAGE_BYTES = 29_000_000  # maximum of a page, unless its ships alone need more
PICTURE_BYTES = 9_000_000  # maximum of the scene's image
PICTURE_SIZE = 4096  # pixels of its longer side
OUTLINE_BYTES = 6_000_000  # maximum of exact outlines; beyond that, ships are drawn as rectangles
CHIP_COUNT = 5000  # maximum
CHIP_SIZE = 128  # pixels of the longer side of a chip in the page
MIN_CHIP_WIDTH = 40  # scene pixels
UNITS = {True: 10**6, False: 10**2}  # steps per degree on a map (0.1 m), and per pixel

# Label, unit and decimals of known columns, and whether the table shows them.
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
class ViewPage:
    """A written page.

    Attributes:
        page: Its file.
        ships: Number of ships.
        chips: Number of ships with a chip.
        in_scene: Number of ships that are inside the scene or overlap it.
        bytes: Size of the page.
        warnings: What the page leaves out.
    """

    page: Path
    ships: int
    chips: int
    in_scene: int
    bytes: int
    warnings: tuple[str, ...] = ()


def write_view(
    ships: Path,
    scene: str | Path,
    out: Path,
    *,
    bands: Sequence[int | str] | None = None,
    trust_vrt: bool = False,
    overwrite: bool = False,
) -> ViewPage:
    """Write one HTML file that shows ships in their scene and works offline.

    The page has at most about 30 MB: the scene is shown as an overview, and the ships with the highest scores have
    chips.

    Args:
        ships: GeoJSON, GeoPackage, FlatGeobuf or GeoParquet.
        scene: A raster, as for `geoships.predict`.
        out: The page, .html.
        bands: Three bands to show as red, green and blue, or one to show in grey; None: by name.
        trust_vrt: Open VRT files, which can refer to any other file.
        overwrite: Replace an existing page.

    Returns:
        The page, with its counts.

    Raises:
        GeoshipsError: Ships or scene cannot be read, or the page cannot be written; an existing file is not changed.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise GeoshipsError(f"cannot write {out}: the name of a page must end with .html")
    reserve(out)
    scene_file = local_file(scene)
    refuse_overwrites([out], (*vector_files(ships), *([scene_file] if scene_file else [])), overwrite=overwrite)
    leaflet()
    frame = read_ships(ships)
    with open_quicklook(scene, size=PICTURE_SIZE, bands=bands, trust_vrt=trust_vrt) as look:
        canvas = Canvas.of(look.georeference)
        crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
        usable = [usable_polygons([shape]) for shape in frame.geometry]
        left_out = _left_out(usable)
        polygons = [shapes.polygons[0] if shapes.polygons else shapely.Polygon() for shapes in usable]
        pixels = list(map(PixelProjection(crs, look.georeference), polygons))
        classes = _classes(frame, ships)
        content = {**_content(frame, look, canvas, classed=bool(classes)), "classes": classes}
        content["outlines"], exact = _outlines(canvas, polygons, pixels, crs)
        content["scene"] = _scene_image(look, canvas)
        remaining = PAGE_BYTES - len(json.dumps(content))
        content["chips"] = chips = _chips(look, pixels, content["values"].get("score"), remaining)
    content["notes"] = [*left_out, *_notes(len(frame), len(chips), exact)]
    write_page(out, f"Ships in {look.title}", content)
    extent = shapely.box(0, 0, look.window.width, look.window.height)
    in_scene = sum(map(extent.intersects, pixels))
    return ViewPage(out, len(frame), len(chips), in_scene, out.stat().st_size, tuple(left_out))


def _left_out(usable: Sequence[UsablePolygons]) -> list[str]:
    """Say which shapes have no area, so that the map cannot show them, in one line; none if all have one."""
    kinds = sum((shapes.left_out for shapes in usable), Counter[str]())
    summary = left_out_summary(kinds, sum(shapes.total for shapes in usable))
    bare = sum(not shapes.polygons for shapes in usable)
    table = f"; ships without a polygon, in the table only: {bare}"
    return [f"the map {summary}{table if bare else ''}"] if summary else []


def _content(frame: GeoDataFrame, look: Quicklook, canvas: Canvas, *, classed: bool) -> dict[str, Any]:
    """Return the content of the page without images: facts of the scene, columns, and values of each ship.

    classed: whether the ships are objects of several classes, which the table shows first.
    """
    table = frame.drop(columns=frame.geometry.name)
    columns, values = [], {}
    labels = {"class": ("class", "", 0, True), **_COLUMNS} if classed else _COLUMNS
    for name in [*(name for name in labels if name in table), *(n for n in table if n not in labels)]:
        if name == "id" or (name != "score" and table[name].isna().all()):
            continue
        kind, values[name] = _values(table[name])
        label, unit, digits, in_table = labels.get(name, (str(name), "", 3, False))
        columns.append({"name": name, "label": label, "unit": unit, "digits": digits, "kind": kind, "table": in_table})
    if not any(column["table"] for column in columns):
        columns = [{**column, "table": index < 5} for index, column in enumerate(columns)]
    names = [str(value) for value in table["id"]] if "id" in table else [str(n + 1) for n in range(len(table))]
    projection = "in Web Mercator" if canvas.on_map else "in pixels (column, row)"
    scene = look.georeference
    return {
        "title": look.title,
        "about": f"{scene.width} x {scene.height} pixels, {look.band_names}, drawn {projection}",
        "on_map": canvas.on_map,
        "pixel_metres": scene.pixel_size()[0] if scene.pixel_size() else None,  # type: ignore[index]
        "unit": UNITS[canvas.on_map],
        "columns": columns,
        "values": values,
        "names": names,
    }


def _classes(frame: GeoDataFrame, ships: Path) -> list[dict[str, str]]:
    """Name and colour of each class, by which the page colours objects; empty where they are not of several classes.

    Colours are those of the QGIS style beside the file; classes without one have those of a palette.
    """
    if "class" not in frame:
        return []
    names = sorted({str(name) for name in frame["class"].dropna()})
    colours = class_colours(ships.with_suffix(".qml"))
    if len(names) < 2 and not colours:
        return []
    free = [colour for colour in PALETTE if colour not in colours.values()] or list(PALETTE)
    unknown = [name for name in names if name not in colours]
    colours = {**colours, **{name: free[number % len(free)] for number, name in enumerate(unknown)}}
    return [{"name": name, "colour": colour} for name, colour in colours.items()]


def _values(column: pd.Series[Any]) -> tuple[str, list[Any]]:
    """Return the kind (number, bool or text) and the JSON values of a column; None for missing values."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return "bool", [None if pd.isna(value) else bool(value) for value in column]
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = (None if pd.isna(value) else float(value) for value in column)
        return "number", [None if n is None or not math.isfinite(n) else round(n, 6) for n in numbers]
    return "text", [None if value is None or value is pd.NA or value != value else str(value) for value in column]


def _outlines(
    canvas: Canvas, polygons: Sequence[BaseGeometry], pixels: Sequence[BaseGeometry], crs: CRS | None
) -> tuple[list[Any], bool]:
    """Return the rings of each polygon of each ship as integer differences, and whether the outlines are exact."""
    outlines = _encode(canvas, polygons, pixels, crs)
    if len(json.dumps(outlines, separators=(",", ":"))) <= OUTLINE_BYTES:
        return outlines, True
    boxes = [[shapely.oriented_envelope(shape) for shape in shapes] for shapes in (polygons, pixels)]
    return _encode(canvas, boxes[0], boxes[1], crs), False


def _encode(
    canvas: Canvas, polygons: Sequence[BaseGeometry], pixels: Sequence[BaseGeometry], crs: CRS | None
) -> list[Any]:
    unit = UNITS[canvas.on_map]
    shapes = polygons if canvas.on_map else pixels
    encoded: list[Any] = []
    for shape, corners in zip(shapes, canvas.project(polygons, pixels, crs), strict=True):
        if not np.isfinite(corners).all():  # outside the map's projection
            encoded.append([])
            continue
        rings_by_polygon, first = [], 0
        for polygon in shapely.get_parts(shape):
            rings = []
            for ring in [polygon.exterior, *polygon.interiors] if isinstance(polygon, shapely.Polygon) else []:
                last = first + len(ring.coords)
                rings.append(_differences(corners[first:last], unit))
                first = last
            if rings and rings[0]:
                rings_by_polygon.append(rings)
        encoded.append(rings_by_polygon)
    return encoded


def _differences(ring: Floats, unit: int) -> list[int]:
    """Return each vertex as the integer difference (y, x) from the one before, without the closing vertex.

    >>> _differences(np.array([[0.01, 1], [0.02, 1], [0.02, 3], [0.01, 1]]), 100)
    [1, 100, 1, 0, 0, 200]
    """
    vertices: NDArray[np.int64] = np.round(ring[:-1] * unit).astype(np.int64)
    return np.diff(vertices, axis=0, prepend=0).ravel().tolist()


def _scene_image(look: Quicklook, canvas: Canvas) -> dict[str, Any]:
    """Return the overview of the scene as a data URL, its bounds, and the scene's number of columns."""
    rgba, bounds = canvas.render(look.overview, PICTURE_SIZE)
    image = Image.fromarray(rgba)
    encoded = _webp(image, 85)
    while len(encoded) > PICTURE_BYTES:
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))
        encoded = _webp(image, 80)
    url = f"data:image/webp;base64,{base64.b64encode(encoded).decode()}"
    return {"picture": url, "bounds": bounds, "columns": look.georeference.width}


def _chips(
    look: Quicklook, pixels: Sequence[BaseGeometry], scores: Sequence[float | None] | None, remaining: int
) -> dict[int, str]:
    """Return chips by index of the ship, highest scores first, as many as fit into the remaining bytes."""
    ranks = scores or [None] * len(pixels)
    ranked = sorted(range(len(pixels)), key=lambda ship: -(ranks[ship] or 0))
    windows = {ship: _chip_window(pixels[ship], look.window) for ship in ranked if not pixels[ship].is_empty}
    selected = [ship for ship in ranked if ship in windows and not windows[ship].empty][:CHIP_COUNT]
    encoded = {}
    for ship in sorted(
        selected, key=lambda ship: (windows[ship].row // 512, windows[ship].column)
    ):  # neighbours together: fewer reads
        chip: RGBImage = look.read(windows[ship], CHIP_SIZE)
        encoded[ship] = base64.b64encode(_webp(Image.fromarray(_north_up(chip, look)), 80)).decode()
    chips: dict[int, str] = {}
    for ship in selected:
        remaining -= len(encoded[ship]) + 16
        if remaining < 0:
            break
        chips[ship] = encoded[ship]
    return chips


def _north_up(chip: RGBImage, look: Quicklook) -> RGBImage:
    return chip[::-1] if look.georeference.south_up else chip


def _chip_window(outline: BaseGeometry, scene: Window) -> Window:
    """Return a square window around a ship with a margin, clipped to the scene."""
    bounds = np.array(outline.bounds)
    if not np.isfinite(bounds).all():
        return Window(0, 0, 0, 0)
    west, north, east, south = bounds.tolist()
    side = round(max(MIN_CHIP_WIDTH, 1.6 * (east - west), 1.6 * (south - north)))
    row, column = round((north + south - side) / 2), round((west + east - side) / 2)
    return Window(row, column, side, side).intersection(scene)


def _webp(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=quality, method=4)
    return file.getvalue()


def _notes(ships: int, chips: int, exact: bool) -> list[str]:
    """Return the notes below the table."""
    notes = []
    if chips < ships:
        notes.append(f"{chips} of {ships} ships have an image here: those with the highest scores.")
    if not exact:
        notes.append("There are many ships, so their outlines are shown as rectangles.")
    return [*notes, "Made with geoships; map by Leaflet (BSD 2-Clause licence)."]
