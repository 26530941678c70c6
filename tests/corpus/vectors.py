"""Cases of vector files: areas, land and labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
import shapely
from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import FAKE, FAST, predict
from corpus.rasters import CRS, SHIPS, UTM, raster
from shapely.geometry.base import BaseGeometry

X, Y = UTM.c, UTM.f
NAN = float("nan")


def box(row: int, column: int, height: int, width: int) -> shapely.Polygon:
    """A box of pixels of the scene, in its CRS."""
    return shapely.box(X + 10 * column, Y - 10 * (row + height), X + 10 * (column + width), Y - 10 * row)


UPPER = box(0, 0, 30, 112)  # holds the first ship
RING = [[x, y] for x, y in UPPER.exterior.coords]


def frame(*geometries: BaseGeometry | None, crs: str | None = CRS) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"n": range(len(geometries))}, geometry=list(geometries), crs=crs)


def geojson(*geometries: object, crs: str | None = CRS) -> bytes:
    content: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries],
    }
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    return json.dumps(content).encode()


def polygon(*rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings}


Write = Callable[[Path], Path]


def content(name: str, text: bytes) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(text)
        return folder / name

    return write


def table(name: str, *geometries: BaseGeometry | None, crs: str | None = CRS) -> Write:
    """A file of any format with these geometries."""

    def write(folder: Path) -> Path:
        path, rows = folder / name, frame(*geometries, crs=crs)
        if path.suffix == ".parquet":
            rows.to_parquet(path)
        else:
            pyogrio.write_dataframe(rows, path)
        return path

    return write


def half(write: Write) -> Write:
    def shortened(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return shortened


def without(suffix: str) -> Write:
    """A shapefile that lacks one of its files."""

    def write(folder: Path) -> Path:
        path = table("area.shp", UPPER)(folder)
        path.with_suffix(suffix).unlink()
        return path

    return write


def several_layers(folder: Path) -> Path:
    path = folder / "area.gpkg"
    pyogrio.write_dataframe(frame(box(0, 0, 96, 112)), path, layer="other")
    pyogrio.write_dataframe(frame(UPPER), path, layer="area", append=True)
    return path


def plain_parquet(folder: Path) -> Path:
    frame(UPPER).drop(columns="geometry").to_parquet(folder / "area.parquet")
    return folder / "area.parquet"


def area(write: Write) -> Make:
    return lambda folder: predict(raster(folder / "scene.tif"), "--area", write(folder))


BOW = [[X, Y], [X + 1120, Y - 300], [X + 1120, Y], [X, Y - 300], [X, Y]]
HOLE = [[x, y] for x, y in box(5, 5, 10, 30).exterior.coords]
DEGREES = [[2.99, 36.2], [3.1, 36.2], [3.1, 36.1], [2.99, 36.1], [2.99, 36.2]]
AREAS: dict[str, tuple[Make, Expectation]] = {
    "a polygon": (area(content("a.geojson", geojson(polygon(RING)))), Works(1)),
    "an open ring": (area(content("a.geojson", geojson(polygon(RING[:-1])))), Works(1)),
    "a bow": (area(content("a.geojson", geojson(polygon(BOW)))), Works(None)),
    "a hole": (area(content("a.geojson", geojson(polygon(RING, HOLE)))), Works(0)),
    "heights": (area(content("a.geojson", geojson(polygon([[*point, 3.5] for point in RING])))), Works(1)),
    "a collection": (
        area(content("a.geojson", geojson({"type": "GeometryCollection", "geometries": [polygon(RING)]}))), Works(1)
    ),
    "a point beside it": (
        area(content("a.geojson", geojson({"type": "Point", "coordinates": RING[0]}, polygon(RING)))),
        Works(1, "1 point"),
    ),
    "no geometry beside it": (area(content("a.geojson", geojson(None, polygon(RING)))), Works(1, "empty")),
    "a point alone": (
        area(content("a.geojson", geojson({"type": "Point", "coordinates": RING[0]}))), Fails("no polygon with an area")
    ),
    "a line": (
        area(content("a.geojson", geojson({"type": "LineString", "coordinates": RING}))), Fails("no polygon with an area")
    ),
    "no features": (area(content("a.geojson", geojson())), Fails("no polygons")),
    "not a number": (
        area(content("a.geojson", geojson(polygon([RING[0], [NAN, NAN], *RING[2:]])))), Fails("cannot read|finite|no polygon")
    ),
    "huge numbers": (area(content("a.geojson", geojson(polygon([[x * 1e30, y] for x, y in RING])))), Fails("outside")),
    "the whole world": (
        area(content("a.geojson", geojson(polygon([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]), crs=None))),
        Works(3),
    ),
    "another place": (
        area(content("a.geojson", geojson(polygon([[x + 1e5, y] for x, y in RING])))), Fails("outside the scene")
    ),
    "x and y swapped": (area(content("a.geojson", geojson(polygon([p[::-1] for p in RING])))), Fails("outside|swapped")),
    "metres without a CRS": (area(content("a.geojson", geojson(polygon(RING), crs=None))), Fails("metres")),
    "degrees in a CRS of metres": (area(content("a.geojson", geojson(polygon(DEGREES)))), Fails("degrees")),
    "a CRS that is none": (
        area(content("a.geojson", geojson(polygon(RING), crs="EPSG:999999"))), Fails("area of interest")
    ),
    "a byte order mark": (area(content("a.geojson", b"\xef\xbb\xbf" + geojson(polygon(RING)))), Works(1)),
    "JSON cut short": (area(content("a.geojson", geojson(polygon(RING))[:-20])), Fails("cannot read|no polygon")),
    "other JSON": (area(content("a.geojson", b'{"ships": 3}')), Fails("cannot read")),
    "an empty file": (area(content("a.geojson", b"")), Fails("cannot read")),
    "a missing file": (area(lambda folder: folder / "none.geojson"), Fails("cannot read")),
    "a folder": (area(lambda folder: folder), Fails("cannot read|no polygon")),
    "the scene": (area(lambda folder: folder / "scene.tif"), Fails("cannot read")),
    "text": (area(content("a.gpkg", b"no database")), Fails("cannot read")),
    "GeoPackage": (area(table("area.gpkg", UPPER)), Works(1)),
    "GeoPackage of several layers": (area(several_layers), Works(1)),
    "half a GeoPackage": (area(half(table("area.gpkg", UPPER))), Fails("cannot read|no polygon")),
    "GeoPackage without a CRS": (area(table("area.gpkg", UPPER, crs=None)), Works(1)),
    "FlatGeobuf": (area(table("area.fgb", UPPER)), Works(1)),
    "half a FlatGeobuf": (area(half(table("area.fgb", UPPER))), Fails("cannot read|no polygon")),
    "GeoParquet": (area(table("area.parquet", UPPER)), Works(1)),
    "half a GeoParquet": (area(half(table("area.parquet", UPPER))), Fails("cannot read")),
    "Parquet without geometries": (area(plain_parquet), Fails("cannot read")),
    "shapefile": (area(table("area.shp", UPPER)), Works(1)),
    "shapefile without .prj": (area(without(".prj")), Works(1)),
    "shapefile without .dbf": (area(without(".dbf")), Works(1)),
    "shapefile without .shx": (area(without(".shx")), Fails("cannot read")),
    "KML": (
        area(
            content(
                "a.kml",
                b'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><Polygon><outerBoundaryIs><LinearRing>'
                b"<coordinates>2.9,36.2 3.1,36.2 3.1,36.1 2.9,36.1 2.9,36.2</coordinates></LinearRing></outerBoundaryIs>"
                b"</Polygon></Placemark></Document></kml>",
            )
        ),
        Works(3),
    ),
    "CSV without a geometry": (area(content("a.csv", b"a,b\n1,2\n")), Fails("no polygon|cannot read")),
    "CSV with WKT": (area(content("a.csv", f'id,WKT\n1,"{UPPER.wkt}"\n'.encode())), Works(1)),
    "CSV with broken WKT": (area(content("a.csv", b'id,WKT\n1,"POLYGON((1 2, 3"\n')), Fails("no polygon|cannot read")),
}  # fmt: skip


def land(write: Write) -> Make:
    return lambda folder: predict(raster(folder / "scene.tif"), "--land", write(folder), "--shore", 0)


LANDS: dict[str, tuple[Make, Expectation]] = {
    "a polygon": (land(table("land.gpkg", UPPER)), Works(3)),
    "all of the scene": (land(table("land.gpkg", box(-50, -50, 300, 300))), Works(0)),
    "another place": (land(table("land.gpkg", box(9000, 0, 10, 10))), Works(3, "land")),
    "lines": (land(table("land.gpkg", shapely.LineString(RING))), Fails("no polygon")),
    "a missing file": (land(lambda folder: folder / "none.gpkg"), Fails("cannot read")),
    "an empty file": (land(content("land.geojson", b"")), Fails("cannot read")),
}


def labelled(write: Write, *options: object) -> Make:
    """An evaluation of the fake model with these labels."""

    def make(folder: Path) -> Arguments:
        scene = raster(folder / "scene.tif")
        return [
            "evaluate", FAKE, "--scenes", scene, "--labels", write(folder), "--out", "out/report", *FAST, "--json",
            "--no-pictures", *options,
        ]  # fmt: skip

    return make


def mask(name: str, **form: object) -> Write:
    import numpy as np
    from corpus.rasters import reflectance

    values = (reflectance() > 0.5).astype("uint8")
    if form.pop("small", False):
        values = np.ascontiguousarray(values[:50])
    return lambda folder: raster(folder / name, "uint8", scale=None, values=values, **form)  # type: ignore[arg-type]


SHAPES = [box(*ship) for ship in SHIPS]
LABELS: dict[str, tuple[Make, Expectation]] = {
    "polygons": (labelled(table("scene.gpkg", *SHAPES)), Works()),
    "boxes in degrees": (
        labelled(lambda folder: table("s.geojson", *frame(*SHAPES).to_crs(4326).geometry, crs="EPSG:4326")(folder)),
        Works(),
    ),
    "points": (labelled(table("scene.gpkg", shapely.Point(X, Y))), Fails("no polygon")),
    "no ships": (labelled(content("scene.geojson", geojson())), Works()),
    "another place": (labelled(table("scene.gpkg", box(9000, 0, 9, 9))), Fails("scene")),
    "a mask": (labelled(mask("scene_mask.tif")), Works()),
    "a mask of another size": (labelled(mask("scene_mask.tif", small=True)), Fails("mask")),
    "a mask of another place": (
        labelled(mask("scene_mask.tif", transform=UTM.translation(5000, 0) @ UTM)), Fails("lies elsewhere")
    ),
    "a mask in floats": (labelled(lambda folder: raster(folder / "scene_mask.tif", "float32", scale=None)), Fails("one whole number a pixel")),
    "a missing file": (labelled(lambda folder: folder / "none.gpkg"), Fails("no file")),
    "a text file": (labelled(content("scene.txt", b"ship")), Fails("labels")),
}  # fmt: skip

VECTORS = [*cases("areas", AREAS), *cases("land", LANDS), *cases("labels", LABELS)]
