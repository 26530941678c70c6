"""Every output of scenes at the edges of the ordinary is right, for every library that reads it."""

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import geopandas
import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import rasterio
import shapely
from edge_cases import CASES, CONFIG, FORMATS, Run, write_all
from fake_models import fake_bundle
from pyproj import CRS, Geod
from rio_cogeo import cog_validate
from scenes import ship_scene

from geoships import predict


@pytest.fixture(scope="module", params=CASES, ids=str)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_all(tmp_path_factory.mktemp("case"), CASES[request.param])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_rasters_are_clean_cogs_on_the_scenes_grid(written: Run) -> None:
    with rasterio.open(written.folder / "scene.tif") as scene:
        for name in ("mask.tif", "scores.tif"):
            assert cog_validate(written.folder / name, strict=True, quiet=True) == (True, [], [])
            with rasterio.open(written.folder / name) as raster:
                assert (raster.shape, raster.transform, raster.crs) == (scene.shape, scene.transform, scene.crs)
                assert len(raster.gcps[0]) == len(scene.gcps[0])
                ship = raster.read(1) * raster.scales[0] > 0.5
                np.testing.assert_array_equal(ship, written.true)


def test_all_formats_hold_the_same_ships(written: Run) -> None:
    found, placed = written.result.ships, written.georeference.placed
    assert found.pixels.sum() == written.true.sum()
    for extension in FORMATS:
        path = written.folder / f"ships.{extension}"
        back = geopandas.read_parquet(path) if extension == "parquet" else pyogrio.read_dataframe(path, layer=0)
        assert len(back) == len(found)
        if extension != "geojson":
            assert back.crs == (written.georeference.crs if placed else None)
            assert back.columns.tolist() == found.columns.tolist()
        if not len(found):
            continue
        back = back.sort_values("id")
        assert back.geometry.is_valid.all()
        assert back.on_border.astype(bool).tolist() == found.on_border.tolist()
        np.testing.assert_array_equal(back.length_m.astype(float), found.length_m)
        if extension != "geojson":
            assert all(a.equals(b) for a, b in zip(back.geometry, found.geometry, strict=True))


def test_geojson_follows_rfc_7946(written: Run) -> None:
    document = json.loads((written.folder / "ships.geojson").read_text("utf-8"), parse_constant=pytest.fail)
    assert (document["type"], "crs" in document) == ("FeatureCollection", False)
    assert ("bbox" in document) == bool(len(written.result.ships))
    geod, on_earth = Geod(ellps="WGS84"), written.georeference.placed
    for feature, true in zip(document["features"], written.result.ships.itertuples(), strict=True):
        assert feature.keys() == {"type", "id", "properties", "geometry"}
        assert feature["geometry"]["type"] in ("Polygon", "MultiPolygon")
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        for part in shapely.get_parts(shape):
            assert part.exterior.is_ccw
            assert not any(hole.is_ccw for hole in part.interiors)
        if not on_earth:
            continue
        west, south, east, north = shape.bounds
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
        assert all(
            part.bounds[2] - part.bounds[0] < 1 for part in shapely.get_parts(shape)
        )  # cut, not around the Earth
        assert abs(geod.geometry_area_perimeter(shape)[0]) == pytest.approx(true.area_m2, rel=1e-3)


def test_geoparquet_follows_1_1(written: Run) -> None:
    schema = pyarrow.parquet.read_schema(written.folder / "ships.parquet")
    geo = json.loads(schema.metadata[b"geo"], parse_constant=pytest.fail)
    column = geo["columns"][geo["primary_column"]]
    assert geo["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert set(column["geometry_types"]) <= {"Polygon", "MultiPolygon"}
    assert schema.field(geo["primary_column"]).type == "binary"
    for corner, (name, part) in column["covering"]["bbox"].items():
        assert schema.field(name).type.field(part).name == corner
    if not written.georeference.placed:
        assert column["crs"] is None  # null: not known; left out it would mean longitude and latitude
    else:
        assert CRS.from_json_dict(column["crs"]) == written.georeference.crs
    if len(written.result.ships):
        np.testing.assert_allclose(column["bbox"], written.result.ships.total_bounds)


def test_every_output_has_its_style(written: Run) -> None:
    kinds = {"ships": "renderer-v2", "mask": "pipe", "scores": "pipe"}
    assert {path.stem for path in written.folder.glob("*.qml")} == kinds.keys()
    for name, renderer in kinds.items():
        assert ElementTree.parse(written.folder / f"{name}.qml").getroot().find(renderer) is not None
    styles = pyogrio.read_dataframe(written.folder / "ships.gpkg", layer="layer_styles")
    assert styles.styleQML.tolist() == [(written.folder / "ships.qml").read_text("utf-8")]


def test_the_project_shows_what_was_written(written: Run) -> None:
    with zipfile.ZipFile(written.folder / "all.qgz") as archive:
        root = ElementTree.fromstring(archive.read("all.qgs"))
    sources = [layer.findtext("datasource") for layer in root.findall("projectlayers/maplayer")]
    placed = written.georeference.placed
    assert sources == ["./ships.geojson"] * placed + ["./mask.tif", "./scores.tif", "./scene.tif"]
    assert all((written.folder / source).is_file() for source in sources)
    text = root.findtext("projectCrs/spatialrefsys/wkt")
    assert (CRS(text) if text else None) == (written.georeference.crs if placed else None)
    shown = shapely.box(*(float(value.text) for value in root.find("mapcanvas/extent")))
    if placed:
        assert all(shown.contains(ship) for ship in written.result.ships.geometry)
    assert any("leaves out the ships" in text for text in written.result.warnings) == (not placed)


def test_without_style_nothing_but_the_outputs_is_written(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    result = predict(
        tmp_path / "scene.tif", out=tmp_path / "s.gpkg", mask=tmp_path / "m.tif", model=fake_bundle(),
        config=CONFIG.model_copy(update={"style": False}),
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "s.gpkg", "m.tif"}
    assert len(pyogrio.list_layers(tmp_path / "s.gpkg")) == 1
    assert result.outputs.keys() == {"vector", "mask"}


def test_a_scene_beside_an_output_of_its_name_is_not_restyled(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    result = predict(tmp_path / "scene.tif", out=tmp_path / "scene.geojson", model=fake_bundle(), config=CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "scene.geojson"}
    assert any("gets no style" in text for text in result.warnings)
