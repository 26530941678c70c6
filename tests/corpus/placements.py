"""Cases of geotransforms, CRS, control points and world files."""

from __future__ import annotations

from pathlib import Path

import rasterio
from affine import Affine
from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import predict
from corpus.rasters import COLUMNS, ROWS, UTM, raster, vrt
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

POLE = Affine(10, 0, -500, 0, -10, 500)
LOCAL = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'


def at(transform: Affine | None, crs: str | None, *options: object) -> Make:
    return lambda folder: predict(raster(folder / "scene.tif", transform=transform, crs=crs), *options)


def geotransform(text: str, srs: str = "EPSG:32631") -> Make:
    def make(folder: Path) -> Arguments:
        raster(folder / "a.tif")
        head = f"<SRS>{srs}</SRS><GeoTransform>{text}</GeoTransform>"
        return predict(vrt(folder / "scene.vrt", ("a.tif",), head=head, band="<Scale>0.0001</Scale>"), "--bands", 1)

    return make


def control_points(corners: tuple[tuple[float, float], ...], crs: str = "EPSG:32631") -> Make:
    def make(folder: Path) -> Arguments:
        path = raster(folder / "scene.tif", transform=None, crs=None)
        points = [GroundControlPoint(row, column, *(UTM @ (column, row))) for row, column in corners]
        with rasterio.open(path, "r+") as file:
            file.gcps = (points, rasterio.CRS.from_string(crs))
        return predict(path)

    return make


def rational(folder: Path) -> Arguments:
    path = raster(folder / "scene.tif", transform=None, crs=None)
    ones, line, sample = [1.0, *[0.0] * 19], [0.0, 0.0, 1.0, *[0.0] * 17], [0.0, 1.0, *[0.0] * 18]
    with rasterio.open(path, "r+") as file:
        file.rpcs = RPC(0, 100, 36, 0.01, ones, line, 48, 48, 3, 0.01, ones, sample, 56, 56)
    return predict(path)


def world_file(text: str) -> Make:
    def make(folder: Path) -> Arguments:
        path = raster(folder / "scene.tif", transform=None, crs=None)
        (folder / "scene.tfw").write_text(text)
        return predict(path)

    return make


CORNERS = ((0, 0), (0, COLUMNS), (ROWS, COLUMNS), (ROWS, 0))
PLACES: dict[str, tuple[Make, Expectation]] = {
    "no CRS": (at(UTM, None), Works(3, "not georeferenced")),
    "no geotransform": (at(None, "EPSG:32631"), Works(3, "not georeferenced")),
    "no CRS and no geotransform": (at(None, None), Works(3, "not georeferenced")),
    "no place, but a pixel size": (at(None, None, "--gsd", 10), Works(3, "not georeferenced")),
    "south up": (at(Affine(10, 0, 500_000, 0, 10, 4_000_000), "EPSG:32631"), Works(3)),
    "mirrored": (at(Affine(-10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32631"), Works(3)),
    "turned": (at(UTM @ Affine.rotation(33), "EPSG:32631"), Works(3)),
    "turned by 90 degrees": (at(Affine(0, 10, 500_000, 10, 0, 4_000_000), "EPSG:32631"), Works(3)),
    "sheared": (at(UTM @ Affine.shear(20, 0), "EPSG:32631"), Works(3)),
    "pixels that are not square": (at(Affine(10, 0, 500_000, 0, -7, 4_000_000), "EPSG:32631"), Works(3)),
    "zeros": (geotransform("0, 0, 0, 0, 0, 0"), Fails("geotransform")),
    "no width of a pixel": (geotransform("500000, 0, 0, 4000000, 0, -10"), Fails("geotransform")),
    "not a number": (geotransform("nan, 10, 0, nan, 0, -10"), Fails("geotransform")),
    "infinite": (geotransform("inf, 10, 0, 4000000, 0, -10"), Fails("geotransform")),
    "a line": (geotransform("500000, 10, 10, 4000000, 10, 10"), Fails("geotransform")),
    "pixels of an atom": (geotransform("500000, 1e-9, 0, 4000000, 0, -1e-9"), Fails("its pixels are")),
    "pixels of a continent": (geotransform("0, 1e6, 0, 0, 0, -1e6"), Works(3, "pixel size is not known")),
    "pixels of 5 km": (geotransform("0, 5000, 0, 4000000, 0, -5000", "EPSG:3857"), Fails("5000|pixels of")),
    "degrees": (at(Affine(1e-4, 0, 3, 0, -9e-5, 36), "EPSG:4326"), Works(3)),
    "metres said to be degrees": (at(UTM, "EPSG:4326"), Fails("look like metres")),
    "degrees said to be metres": (at(Affine(1e-4, 0, 3, 0, -9e-5, 36), "EPSG:32631"), Fails("look like degrees")),
    "across the antimeridian": (at(Affine(1e-4, 0, 179.995, 0, -9e-5, -17), "EPSG:4326"), Works(3)),
    "longitudes beyond 180": (at(Affine(1e-4, 0, 190, 0, -9e-5, -17), "EPSG:4326"), Works(3)),
    "over the pole": (at(POLE, "EPSG:3995"), Works(3)),
    "Web Mercator": (at(Affine(12, 0, 300_000, 0, -12, 4_000_000), "EPSG:3857"), Works(3)),
    "a projection in feet": (at(Affine(33, 0, 1_640_000, 0, -33, 500_000), "EPSG:2263"), Works(3)),
    "a local CRS": (geotransform("500000, 10, 0, 4000000, 0, -10", LOCAL.replace('"', "&quot;")), Works(3, "CRS|geo")),
    "a CRS that is none": (geotransform("500000, 10, 0, 4000000, 0, -10", "EPSG:999999"), Works(3, "georeferenced")),
    "a height beside the CRS": (at(UTM, "EPSG:32631+5773"), Works(3, "scale")),
    "control points": (control_points(CORNERS), Works(3)),
    "one control point": (control_points(CORNERS[:1]), Works(3, "not georeferenced")),
    "control points on one line": (control_points(((0, 0), (40, 40), (90, 90))), Fails("one line or at one place")),
    "control points at one place": (control_points(CORNERS[:1] * 4), Fails("one line or at one place")),
    "rational polynomials": (rational, Works(3, "RPC|rational|not georeferenced")),
    "a world file": (world_file("10\n0\n0\n-10\n500005\n3999995\n"), Works(3, "not georeferenced")),
    "a world file of words": (world_file("ten\nzero\n"), Works(3, "not georeferenced")),
    "an empty world file": (world_file(""), Works(3, "not georeferenced")),
}
PLACEMENTS = cases("places on Earth", PLACES)
