"""Vector files as tools write them: every geometry type, every format, wrong coordinates, other places."""

import json
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from geoships.errors import SceneError
from geoships.output.formats import write_ships
from geoships.output.read_ships import read_ships
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import read_area
from geoships.scene.layers.labelled_files import pair_files
from geoships.scene.layers.labels import read_labels
from geoships.scene.layers.land import read_land
from geoships.scene.layers.polygons import read_polygons
from geoships.scene.tiling.windows import Window

X, Y = 400_000, 5_000_000
UTM = Georeference(256, 256, Affine(10, 0, X, 0, -10, Y), CRS(32633))
DEGREES = Georeference(256, 256, Affine(0.001, 0, 14, 0, -0.001, 45), CRS(4326))
SQUARE = [[X + 300, Y - 300], [X + 400, Y - 300], [X + 400, Y - 400], [X + 300, Y - 400], [X + 300, Y - 300]]
RING = ", ".join(f"{x} {y}" for x, y in SQUARE)
PIXELS = shapely.box(30, 30, 40, 40)


def geojson(path: Path, *geometries: object, crs: int | None = 32633) -> Path:
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    content: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": f"EPSG:{crs}"}}
    path.write_text(json.dumps(content))
    return path


POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}
POINT = {"type": "Point", "coordinates": SQUARE[0]}
LINE = {"type": "LineString", "coordinates": SQUARE[:2]}
NAN = {"type": "Polygon", "coordinates": [[*SQUARE[:2], [float("nan"), Y], SQUARE[0]]]}
FLAT = {"type": "Polygon", "coordinates": [[SQUARE[0], SQUARE[1], SQUARE[0], SQUARE[0]]]}
SPIKE = {"type": "Polygon", "coordinates": [[*SQUARE[:2], [X + 900, Y - 300], *SQUARE[1:]]]}
USABLE = {
    "collection": {"type": "GeometryCollection", "geometries": [POLYGON]},
    "collection in a collection": {
        "type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [POLYGON]}]
    },
    "heights": {"type": "Polygon", "coordinates": [[[*point, 12.5] for point in SQUARE]]},
    "open ring": {"type": "Polygon", "coordinates": [SQUARE[:-1]]},
    "spike": SPIKE,
    "repeated vertices": {"type": "Polygon", "coordinates": [[p for p in SQUARE for _ in range(2)]]},
}  # fmt: skip
LEFT_OUT = {
    "point": (POINT, "1 point"),
    "line": (LINE, "1 line"),
    "null": (None, "1 empty geometry"),
    "empty": ({"type": "Polygon", "coordinates": []}, "1 empty geometry"),
    "nan": (NAN, "1 shape with coordinates that are not finite"),
    "flat": (FLAT, "1 polygon without area"),
    "collection": ({"type": "GeometryCollection", "geometries": [POINT, LINE]}, "1 line, 1 point"),
}


@pytest.mark.parametrize("name", USABLE)
def test_what_is_a_polygon_is_used(name: str, tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", USABLE[name])
    for polygon in (read_area(path, UTM).polygon, *read_labels(path, UTM).ships):
        assert shapely.symmetric_difference(polygon, PIXELS).area < 1e-6
    assert read_labels(path, UTM).warnings == ()


@pytest.mark.parametrize(
    "wkt",
    [
        f"CURVEPOLYGON(({RING}))",
        f"MULTISURFACE(CURVEPOLYGON(COMPOUNDCURVE(({RING}))))",
        f"POLYGON ZM(({', '.join(f'{x} {y} 1 2' for x, y in SQUARE)}))",
        f"GEOMETRYCOLLECTION(POLYGON(({RING})))",
        f"POLYGON M(({', '.join(f'{x} {y} 2' for x, y in SQUARE)}))",
    ],
)
def test_curves_and_measures_are_read(wkt: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'id,WKT\n1,"{wkt}"\n')
    layer = read_polygons(tmp_path / "a.csv", UTM, "the labels")
    assert shapely.symmetric_difference(layer.polygons[0], PIXELS).area < 1e-6


def test_a_circle_of_arcs_keeps_its_area(tmp_path: Path) -> None:
    arcs = f"CIRCULARSTRING({X} {Y - 500}, {X + 500} {Y}, {X + 1000} {Y - 500}, {X + 500} {Y - 1000}, {X} {Y - 500})"
    (tmp_path / "a.csv").write_text(f'id,WKT\n1,"CURVEPOLYGON({arcs})"\n')
    circle = read_polygons(tmp_path / "a.csv", UTM, "the labels").polygons[0]
    assert circle.area == pytest.approx(np.pi * 50**2, rel=1e-3)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_has_no_area_is_left_out_with_one_warning(name: str, tmp_path: Path) -> None:
    shape, text = LEFT_OUT[name]
    path = geojson(tmp_path / "a.geojson", POLYGON, shape, POLYGON)
    labels = read_labels(path, UTM, ignore=path)
    assert len(labels.ships) == 2
    assert len(labels.warnings) == 2  # of the labels and of the ignore layer
    assert all(text in warning and "left out" in warning for warning in labels.warnings)
    assert text in read_area(path, UTM).warnings[0]
    assert text in read_land(path, UTM, 0, (10, 10)).warnings[0]
    alone = geojson(tmp_path / "alone.geojson", shape)
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_area(alone, UTM), lambda: read_labels(alone, UTM), lambda: read_land(alone, UTM, 0, (10, 10)),
    )  # fmt: skip
    for read in readers:
        with pytest.raises(SceneError, match="has no polygon with an area"):
            read()


@pytest.mark.parametrize("suffix", [".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".geoparquet"])
def test_every_format_that_is_written_is_read_everywhere(suffix: str, tmp_path: Path) -> None:
    box = shapely.box(X + 300, Y - 400, X + 400, Y - 300)
    frame = geopandas.GeoDataFrame({"id": [1]}, geometry=[box], crs=32633)
    path = tmp_path / f"scene{suffix}"
    write_ships(path, frame, georeference=UTM, title="t")
    found = [read_area(path, UTM).polygon, *read_labels(path, UTM, ignore=path).ships]
    assert all(shapely.symmetric_difference(polygon, PIXELS).area < 0.01 for polygon in found)
    assert read_land(path, UTM, 0, (10, 10)).warnings == ()
    assert len(read_ships(path)) == 1
    assert pair_files(["scene.tif"], [tmp_path])[0].labels == path


def test_the_csv_of_chips_is_an_area(tmp_path: Path) -> None:
    lonlat = geopandas.GeoSeries([shapely.box(X + 300, Y - 400, X + 400, Y - 300)], crs=32633).to_crs(4326)
    (tmp_path / "c.csv").write_text(f'file,geometry\na.png,"{lonlat[0].wkt}"\nb.png,\n')
    assert shapely.symmetric_difference(read_area(tmp_path / "c.csv", UTM).polygon, PIXELS).area < 0.01


@pytest.mark.parametrize(
    ("box", "crs", "message"),
    [
        (shapely.box(X, Y - 100, X + 100, Y), 4326, "they look like metres of a projected CRS, such as EPSG:32633"),
        (shapely.box(1.5e6, 5.6e6, 1.6e6, 5.7e6), 4258, "they look like metres"),
        (shapely.box(45, 120, 46, 121), 4326, "perhaps x and y are swapped"),
        (shapely.box(14, 89, 15, 93), 4326, "latitudes are from -90 to 90"),
        (shapely.box(1e12, 1e12, 2e12, 2e12), 3857, None),
    ],
)
def test_coordinates_outside_their_crs_are_refused(
    box: shapely.Polygon, crs: int, message: str | None, tmp_path: Path
) -> None:
    geopandas.GeoDataFrame(geometry=[box], crs=crs).to_parquet(tmp_path / "a.parquet")
    for read in (read_area, read_labels):
        with pytest.raises(SceneError, match=message):
            read(tmp_path / "a.parquet", UTM)


def test_the_message_tells_what_coordinates_elsewhere_look_like(tmp_path: Path) -> None:
    west, south = 13.73, 45.13
    for box, message in (
        (shapely.box(west, south, west + 0.01, south + 0.01), "look like degrees, not metres of EPSG:32633"),
        (shapely.box(Y - 400, X + 300, Y - 300, X + 400), "with x and y swapped it would overlap"),
        (shapely.box(X + 90_000, Y, X + 90_100, Y + 100), "check its CRS; it reaches from 490000"),
    ):
        geopandas.GeoDataFrame(geometry=[box], crs=32633).to_file(tmp_path / "a.gpkg")
        with pytest.raises(SceneError, match=f"no label of .* lies in the scene.*{message}"):
            read_labels(tmp_path / "a.gpkg", UTM)
        with pytest.raises(SceneError, match=f"outside the scene; .*{message}"):
            read_area(tmp_path / "a.gpkg", UTM)


def test_layers_of_another_place_are_told(tmp_path: Path) -> None:
    here = geojson(tmp_path / "here.geojson", POLYGON)
    geopandas.GeoDataFrame(geometry=[shapely.box(10, 50, 11, 51)], crs=4326).to_file(tmp_path / "away.gpkg")
    assert "the ignore layer" in read_labels(here, UTM, ignore=tmp_path / "away.gpkg").warnings[0]
    assert "the land layer" in read_land(tmp_path / "away.gpkg", UTM, 0, (10, 10)).warnings[0]
    nothing = geojson(tmp_path / "empty.geojson")
    assert read_labels(nothing, UTM).ships == ()  # a scene without ships


@pytest.mark.parametrize("shift", [(0.0, 0.0), (5.0, 0.0), (0.0, -300.0), (90_000.0, 0.0)])
def test_a_mask_lies_where_its_scene_lies(shift: tuple[float, float], tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 256, "width": 256, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    transform = Affine(10, 0, X + shift[0], 0, -10, Y + shift[1])
    with rasterio.open(tmp_path / "m.tif", "w", **profile, transform=transform) as file:
        file.write(np.pad(np.ones((4, 4), np.uint8), ((9, 243), (9, 243))), 1)
    if max(map(abs, shift)) <= 5:
        assert len(read_labels(tmp_path / "m.tif", UTM).ships) == 1
        return
    with pytest.raises(SceneError, match="lies elsewhere"):
        read_labels(tmp_path / "m.tif", UTM)
    with pytest.raises(SceneError, match="lies elsewhere"):
        read_labels(tmp_path / "m.tif", DEGREES)


def test_areas_that_select_the_same_of_a_scene_have_one_digest(tmp_path: Path) -> None:
    scene = Window(0, 0, 256, 256)

    def digest(name: str, *boxes: tuple[float, float, float, float], crs: int = 4326) -> str:
        frame = geopandas.GeoDataFrame(geometry=[shapely.box(*each) for each in boxes], crs=crs)
        frame.to_file(tmp_path / f"{name}.gpkg")
        return read_area(tmp_path / f"{name}.gpkg", UTM).digest(scene)

    whole = digest("world", (-180, -90, 180, 90))
    assert whole == digest("ocean", (-80, -60, 100, 84)) == digest("zone", (X, Y - 2560, X + 2560, Y), crs=32633)
    assert whole == digest("parts", (-80, -60, 13.74, 84), (13.74, -60, 100, 84))
    half = digest("half", (X, Y - 2560, X + 1280, Y), crs=32633)
    assert half == digest("wider", (X - 9000, Y - 9000, X + 1280, Y + 50), crs=32633) != whole
    assert half != digest("other", (X, Y - 2560, X + 1281, Y), crs=32633)
