"""Every format is opened again by the libraries that users open it with."""

import json
import sqlite3
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from geoships.errors import OutputError
from geoships.output.formats import PIXEL_NOTE, check_format, write_ships
from geoships.output.qgis.styles import ship_style
from geoships.output.ship_table import SHIP_COLUMNS, ships_frame
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import read_polygons

UTM = CRS(32630)
PLACED = Georeference(100, 100, Affine(10, 0, 500000, 0, -10, 6000000), UTM)
UNPLACED = Georeference(100, 100)
FORMATS = ["geojson", "gpkg", "fgb", "parquet"]
POLYGONS = [
    shapely.box(500100, 5999500, 500200, 5999530),
    shapely.MultiPolygon(
        [shapely.box(500300, 5999500, 500310, 5999530), shapely.box(500310, 5999530, 500320, 5999540)]
    ),
]


def row(number, **more):
    return {"id": number, "score": 0.5, "length_m": 100.0, "pixels": 30, "on_border": False, "scene": "a.tif"} | more


def ships(polygons=POLYGONS, crs=UTM):
    return ships_frame([row(i + 1) for i in range(len(polygons))], polygons, crs)


def written(path: Path, frame, georeference=PLACED, **more):
    write_ships(path, frame, georeference=georeference, title="Ships in a.tif", **more)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    return path


def geojson(path: Path):
    return json.loads(path.read_text("utf-8"))


def geojson_of(tmp_path, polygon, crs):
    return geojson(written(tmp_path / "s.geojson", ships([polygon], crs)))


def read(path: Path):
    return geopandas.read_parquet(path) if path.suffix == ".parquet" else pyogrio.read_dataframe(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_ships_come_back(tmp_path, kind):
    back = read(written(tmp_path / f"my ships.{kind}", ships())).sort_values("id")
    assert list(back["id"]) == [1, 2]
    assert list(back["on_border"].astype(bool)) == [False, False]
    assert back["width_m"].isna().all()
    assert back["datetime"].isna().all()
    assert back.crs == (CRS(4326) if kind == "geojson" else UTM)
    there = back.to_crs(UTM).geometry
    assert all(a.symmetric_difference(b).area < 1 for a, b in zip(there, POLYGONS, strict=True))


@pytest.mark.parametrize("kind", FORMATS)
def test_without_ships_the_file_is_valid(tmp_path, kind):
    path = written(tmp_path / f"ships.{kind}", ships([]))
    if kind == "geojson":
        assert geojson(path)["features"] == []
        assert "bbox" not in geojson(path)
        return
    back = read(path)
    assert len(back) == 0
    assert back.crs == UTM
    assert [name for name in back.columns if name != "geometry"] == list(SHIP_COLUMNS)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("kind", ["gpkg", "fgb"])
def test_fields_have_the_same_types_with_and_without_ships(tmp_path, kind, count):
    info = pyogrio.read_info(written(tmp_path / f"ships.{kind}", ships(POLYGONS[:count])))
    types = dict(zip(info["fields"], zip(info["ogr_types"], info["ogr_subtypes"], strict=True), strict=True))
    wanted = {"int64": "OFTInteger64", "float64": "OFTReal", "bool": "OFTInteger", "string": "OFTString"}
    assert {name: kind for name, (kind, _) in types.items()} == {n: wanted[t] for n, t in SHIP_COLUMNS.items()}
    assert types["on_border"][1] == "OFSTBoolean"
    assert info["geometry_type"] == "MultiPolygon"
    assert info["layer_name"] == "ships"


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("kind", FORMATS)
def test_unplaced_ships_keep_pixels_and_say_so(tmp_path, kind, count):
    polygons = [shapely.box(3, 4, 9, 6), shapely.box(700, 800, 705, 812)][:count]
    path = written(tmp_path / f"ships.{kind}", ships(polygons, None), UNPLACED)
    if count:
        assert sorted(shape.bounds for shape in read(path).geometry) == [shape.bounds for shape in polygons]
    if kind != "geojson":
        assert read(path).crs is None
    assert note_in(path) == PIXEL_NOTE


@pytest.mark.parametrize("kind", FORMATS)
def test_a_note_is_kept(tmp_path, kind):
    assert note_in(written(tmp_path / f"ships.{kind}", ships(), note="heed")) == "heed"


def note_in(path: Path):
    if path.suffix == ".geojson":
        return geojson(path)["description"]
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_schema(path).metadata[b"description"].decode()
    return pyogrio.read_info(path)["layer_metadata"]["DESCRIPTION"]


def test_geopackage_tables(tmp_path):
    path = written(tmp_path / "harbour.gpkg", ships([]))
    with sqlite3.connect(path) as database:
        assert database.execute("pragma user_version").fetchone() == (10200,)
        assert database.execute("select table_name, identifier from gpkg_contents").fetchall() == [
            ("harbour", "Ships in a.tif")
        ]
        assert ("gpkg_rtree_index",) in database.execute("select extension_name from gpkg_extensions").fetchall()
    database.close()


@pytest.mark.parametrize("count", [0, 2])
def test_a_geopackage_holds_its_style(tmp_path, count):
    style = ship_style().qml()
    path = written(tmp_path / "my harbour.gpkg", ships(POLYGONS[:count]), style=style)
    with sqlite3.connect(path) as database:
        columns = "f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, useAsDefault"
        rows = database.execute(f"select {columns} from layer_styles").fetchall()
        geometry = database.execute("select table_name, column_name from gpkg_geometry_columns").fetchall()
        contents = database.execute("select table_name, data_type from gpkg_contents").fetchall()
        version = database.execute("pragma user_version").fetchone()
    database.close()
    assert rows == [("", "", "my harbour", "geom", "my harbour", style, 1)]
    assert geometry == [("my harbour", "geom")]
    assert contents == [("my harbour", "features"), ("layer_styles", "attributes")]
    assert version == (10200,)


def test_a_geopackage_with_a_style_still_serves_as_polygons(tmp_path):
    path = written(tmp_path / "s.gpkg", ships(), style=ship_style().qml())
    assert len(read_polygons(path, PLACED, "the labels").polygons) == 2


@pytest.mark.parametrize("count", [0, 2])
def test_geoparquet_metadata(tmp_path, count):
    geo = json.loads(
        pyarrow.parquet.read_schema(written(tmp_path / "s.parquet", ships(POLYGONS[:count]))).metadata[b"geo"],
        parse_constant=pytest.fail,
    )
    column = geo["columns"]["geometry"]
    assert geo["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert column["crs"]["id"]["code"] == 32630
    assert "bbox" in column["covering"]


def test_geojson_follows_rfc_7946(tmp_path):
    frame = ships()
    frame.loc[0, "length_m"] = np.inf
    document = geojson(written(tmp_path / "s.geojson", frame))
    assert "crs" not in document
    west, south, east, north = document["bbox"]
    assert -3 < west < east < -2.9
    assert 54 < south < north < 55
    first = document["features"][0]
    assert first["id"] == first["properties"]["id"] == 1
    assert first["properties"]["length_m"] is None
    for feature in document["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        assert all(part.exterior.is_ccw for part in shapely.get_parts(shape))
        assert (np.round(shapely.get_coordinates(shape), 7) == shapely.get_coordinates(shape)).all()


def test_holes_turn_clockwise(tmp_path):
    ring = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2))
    shape = shapely.geometry.shape(geojson_of(tmp_path, ring, CRS(4326))["features"][0]["geometry"])
    assert shape.exterior.is_ccw
    assert not shape.interiors[0].is_ccw


@pytest.mark.parametrize("size", [3e-7, 2e-8, 1e-10])
def test_tiny_ships_survive_rounding(tmp_path, size):
    shape = geojson_of(tmp_path, shapely.box(10.00000002, 50, 10.00000002 + size, 50 + size), CRS(4326))
    shape = shapely.geometry.shape(shape["features"][0]["geometry"])
    assert shape.is_valid
    assert shape.area > 0


def around_antimeridian(crs):
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform([179.99, -179.99, -179.99, 179.99], [1, 1, 2, 2])
    return shapely.Polygon(zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("polygon", "crs"),
    [(around_antimeridian(crs), CRS(crs)) for crs in (32601, 32660, 3832)]
    + [(shapely.box(179.99, 1, 180.01, 2), CRS(4326)), (shapely.box(-180.01, 1, -179.99, 2), CRS(4326))]
    + [(shapely.box(539.99, 1, 540.01, 2), CRS(4326))],
)
def test_cut_at_the_antimeridian(tmp_path, polygon, crs):
    document = geojson_of(tmp_path, polygon, crs)
    shape = shapely.geometry.shape(document["features"][0]["geometry"])
    assert shape.is_valid
    assert sorted(part.bounds[0] for part in shape.geoms) == pytest.approx([-180, 179.99])
    assert sorted(part.bounds[2] for part in shape.geoms) == pytest.approx([-179.99, 180])
    assert shape.area == pytest.approx(0.02, rel=1e-3)
    assert document["bbox"] == pytest.approx([179.99, 1, -179.99, 2], abs=1e-4)


def test_longitudes_past_180_are_turned_without_a_cut(tmp_path):
    document = geojson_of(tmp_path, shapely.box(190, 1, 191, 2), CRS(4326))
    assert document["features"][0]["geometry"]["type"] == "Polygon"
    assert document["bbox"] == [-170, 1, -169, 2]


def test_a_shape_that_ends_on_the_antimeridian_is_not_cut(tmp_path):
    document = geojson_of(tmp_path, shapely.Polygon([(179, 0), (-180, 0), (-180, 1), (179, 1)]), CRS(4326))
    assert document["features"][0]["geometry"]["type"] == "Polygon"
    assert document["bbox"] == [179, 0, 180, 1]


def test_other_extensions_are_refused_with_the_allowed_ones(tmp_path):
    with pytest.raises(OutputError, match=r"\.geojson, .*\.gpkg"):
        check_format(tmp_path / "ships.shp")
    with pytest.raises(OutputError, match="does not exist"):
        check_format(tmp_path / "no" / "ships.gpkg")
    check_format(tmp_path / "SHIPS.GPKG")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_left_and_the_old_file_stays_after_an_error(tmp_path, kind, monkeypatch):
    path = tmp_path / f"ships.{kind}"
    path.write_text("old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("geoships.support.files.Path.replace", fail)
    with pytest.raises(OutputError, match="disk is full"):
        write_ships(path, ships(), georeference=PLACED, title="t")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
