"""Ships in the forms of other programs: layers of a GeoPackage, CSV, KML, COCO and YOLO."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.classes import SHIPS
from geoships.output.geopackage import Layer, write_layers
from geoships.output.qgis.styles import ship_style
from geoships.output.rectangles import points_of, rectangles_of
from geoships.support.files import atomic_write

POINTS, RECTANGLES = "points", "rectangles"


@dataclass(frozen=True)
class Picture:
    """The picture that the ships are marked in, for COCO and YOLO.

    Attributes:
        name: File name.
        height: Rows.
        width: Columns.
        outlines: The ships in pixels (column, row), in the order of the table.
    """

    name: str
    height: int
    width: int
    outlines: Sequence[BaseGeometry]


def write_gpkg(path: Path, ships: geopandas.GeoDataFrame) -> None:
    """Write outlines (named as the file), `points` and `rectangles` as layers of one GeoPackage."""
    write_layers(
        path,
        [
            Layer(path.stem, ships, "Outlines of ships", style=ship_style().qml()),
            Layer(POINTS, points_of(ships), "Ships as points", kind="Point"),
            Layer(RECTANGLES, rectangles_of(ships), "Ships as rectangles"),
        ],
    )


def write_csv(path: Path, ships: geopandas.GeoDataFrame) -> None:
    """Write all columns, and the outline as WKT in longitude and latitude, as a table with commas (UTF-8)."""
    table = ships.drop(columns=ships.geometry.name)
    placed = ships.geometry if ships.crs is None else ships.geometry.to_crs(4326)
    table["geometry"] = [shapely.to_wkt(shape, rounding_precision=7) for shape in placed]
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False)


def write_kml(path: Path, ships: geopandas.GeoDataFrame) -> None:
    """Write outlines in longitude and latitude for Google Earth and others, each with its number as a name.

    Raises:
        OutputError: The ships have no place on Earth.
    """
    if ships.crs is None:
        raise OutputError(f"cannot write {path}: the ships have no place on Earth, which KML needs")
    placed = ships.to_crs(4326)
    names = placed["id"].astype(str) if "id" in placed else [str(number) for number in range(1, len(placed) + 1)]
    placed = placed.assign(Name=names)
    with atomic_write(path) as temporary:
        pyogrio.write_dataframe(placed, temporary, driver="KML", layer=path.stem)


def coco_text(ships: geopandas.GeoDataFrame, picture: Picture) -> str:
    """Annotations of one picture in the form of COCO, with scores where the table has them."""
    names = _class_names(ships)
    annotations = []
    for number, (outline, kind) in enumerate(zip(picture.outlines, _classes(ships), strict=True), 1):
        left, top, right, bottom = outline.bounds
        rings = [shapely.get_coordinates(part.exterior)[:-1] for part in shapely.get_parts(outline)]
        annotation: dict[str, Any] = {
            "id": number,
            "image_id": 1,
            "category_id": names.index(kind) + 1,
            "segmentation": [ring.round(2).ravel().tolist() for ring in rings],
            "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
            "area": round(float(outline.area), 2),
            "iscrowd": 0,
        }
        if "score" in ships:
            annotation["score"] = round(float(ships["score"].iloc[number - 1]), 4)
        annotations.append(annotation)
    image = {"id": 1, "file_name": picture.name, "width": picture.width, "height": picture.height}
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return json.dumps({"images": [image], "categories": categories, "annotations": annotations}, allow_nan=False)


def yolo_text(ships: geopandas.GeoDataFrame, picture: Picture, *, oriented: bool) -> str:
    """Annotations of one picture in the form of YOLO: a line a ship, as fractions of the picture's sides.

    Args:
        ships: The ships.
        picture: The picture.
        oriented: The four corners of the minimum rotated rectangle, in place of centre, width and height of the box.
    """
    names, size = _class_names(ships), np.array([picture.width, picture.height], np.float64)
    lines = []
    for outline, kind in zip(picture.outlines, _classes(ships), strict=True):
        if oriented:
            numbers = shapely.get_coordinates(shapely.oriented_envelope(outline))[:4] / size
        else:
            low, high = np.array(outline.bounds).reshape(2, 2)
            numbers = np.stack(((low + high) / 2, high - low)) / size
        lines.append(" ".join([str(names.index(kind)), *(f"{value:.6f}" for value in np.clip(numbers, 0, 1).ravel())]))
    return "".join(f"{line}\n" for line in lines)


def _classes(ships: geopandas.GeoDataFrame) -> list[str]:
    return ships["class"].astype(str).tolist() if "class" in ships else [SHIPS.name] * len(ships)


def _class_names(ships: geopandas.GeoDataFrame) -> list[str]:
    return sorted(set(_classes(ships))) or [SHIPS.name]


Writer = Callable[[Path, geopandas.GeoDataFrame], None]
TABLES: dict[str, Writer] = {".gpkg": write_gpkg, ".csv": write_csv, ".kml": write_kml}
