"""Projects name every layer by a relative path, in order; tests/test_qgis.py opens them in QGIS."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import shapely
from affine import Affine
from pyproj import CRS
from scenes import UTM, ship_scene

from geoships.errors import OutputError
from geoships.output.qgis import project
from geoships.output.qgis.project import check_project, project_warnings, scene_bounds, write_project
from geoships.output.ship_table import ships_frame
from geoships.scene.georeference import Georeference
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.reader import open_scene

SHIP = shapely.box(500300, 3999760, 500500, 3999800)


def frame(polygons=(SHIP,), crs=32631):
    rows = [{"id": i, "score": 0.7, "pixels": 9, "on_border": False} for i in range(1, len(polygons) + 1)]
    return ships_frame(rows, polygons, crs and CRS(crs))


def written(path: Path, name: Path, outputs, ships=None, **place) -> ElementTree.Element:
    ship_scene(name, **place)
    with open_scene(name, ("red",)) as scene:
        write_project(path, scene, outputs, frame() if ships is None else ships)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{path.stem}.qgs"]
        return ElementTree.fromstring(archive.read(f"{path.stem}.qgs"))


def outputs(folder: Path, vector="ships.gpkg"):
    return {"vector": folder / vector, "mask": folder / "mask.tif", "scores": folder / "scores.tif"}


def shown(root):
    return [float(root.findtext(f"mapcanvas/extent/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]


def test_layers_are_in_order_with_relative_paths(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    root = written(tmp_path / "out" / "p.qgz", tmp_path / "in" / "a scene.tif", outputs(tmp_path / "out", "s.gpkg"))
    tree = root.findall("layer-tree-group/layer-tree-layer")
    assert [entry.get("name") for entry in tree] == ["Ships", "Ship mask", "Ship scores", "Scene"]
    assert [entry.get("checked") for entry in tree] == ["Qt::Checked", "Qt::Unchecked", "Qt::Checked", "Qt::Checked"]
    sources = [layer.findtext("datasource") for layer in root.findall("projectlayers/maplayer")]
    assert sources == ["./s.gpkg|layername=s", "./mask.tif", "./scores.tif", "../in/a scene.tif"]
    assert [entry.get("source") for entry in tree] == sources
    ids = [layer.findtext("id") for layer in root.findall("projectlayers/maplayer")]
    assert [entry.get("id") for entry in tree] == ids == [layer.get("id") for layer in root.findall("layerorder/layer")]
    assert root.findtext("properties/Paths/Absolute") == "false"
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:32631"


def test_it_opens_at_the_ships_or_else_at_the_scene(tmp_path):
    west, south, east, north = shown(written(tmp_path / "p.qgz", tmp_path / "s.tif", outputs(tmp_path)))
    assert shapely.box(west, south, east, north).contains(SHIP)
    assert (west, east) == pytest.approx((500240, 500560))  # 3 % of 2 km beside a lone ship
    scene = shapely.box(500000, 3998200, 502000, 4000000)
    root = written(tmp_path / "p.qgz", tmp_path / "s.tif", outputs(tmp_path), frame([]))
    assert shapely.box(*shown(root)).contains(scene)
    assert len(root.findall("projectlayers/maplayer")) == 4


def test_each_layer_has_the_crs_of_its_file(tmp_path):
    odd = CRS("+proj=laea +lat_0=10 +lon_0=20 +ellps=intl +units=m").to_wkt()
    root = written(tmp_path / "p.qgz", tmp_path / "s.tif", outputs(tmp_path, "s.geojson"), frame(crs=odd), crs=odd)
    ships, *rest = [CRS(layer.findtext("srs/spatialrefsys/wkt")) for layer in root.findall("projectlayers/maplayer")]
    assert ships == CRS(4326)
    assert all(crs.equals(CRS(odd), ignore_axis_order=True) for crs in rest)
    assert root.findtext("projectCrs/spatialrefsys/authid") == ""


@pytest.mark.parametrize("transform", [None, UTM])
def test_without_a_place_the_mask_stands_in_for_the_ships(tmp_path, transform):
    root = written(
        tmp_path / "p.qgz", tmp_path / "s.tif", outputs(tmp_path), frame(crs=None), transform=transform, crs=None
    )
    tree = root.findall("layer-tree-group/layer-tree-layer")
    assert [(entry.get("name"), entry.get("checked")) for entry in tree] == [
        ("Ship mask", "Qt::Checked"), ("Ship scores", "Qt::Checked"), ("Scene", "Qt::Checked"),
    ]  # fmt: skip
    with open_scene(tmp_path / "s.tif", ("red",)) as scene:
        assert "leaves out the ships" in project_warnings(scene, outputs(tmp_path))[0]
        assert not project_warnings(scene, {})


def test_bounds_are_those_that_qgis_gives_a_scene():
    rotated = Georeference(10, 20, Affine.rotation(90), CRS(32631))
    assert scene_bounds(rotated) == pytest.approx((-10, 0, 0, 20))
    assert scene_bounds(Georeference(10, 20, Affine(2, 0, 5, 0, -2, 6))) == (5, -14, 45, 6)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("https://host/a.tif?sig=1", True), ("https://me:pw@host/a.tif", True), ("https://host/a.tif", False),
        ("s3://bucket/a.tif", False), ("what?.tif", False),
    ],
)  # fmt: skip
def test_addresses_with_secrets_are_left_out(name, secret):
    assert project._is_secret(name) is secret


def test_subdatasets_keep_their_form(tmp_path):
    class Source:
        path = tmp_path / "a.nc"
        gdal_name = f'NETCDF:"{tmp_path / "a.nc"}":B04'

    class Scene:
        source = Source()

    assert project._scene_source(Scene(), tmp_path) == 'NETCDF:"./a.nc":B04'


def test_a_scene_of_several_files_is_left_out(tmp_path):
    ship_scene(tmp_path / "red.tif")
    files = BandFiles("harbour", (BandFile("red", str(tmp_path / "red.tif")),))
    with open_scene(files, ("red",)) as scene:
        assert "leaves out the scene" in project_warnings(scene, outputs(tmp_path))[0]
        write_project(tmp_path / "p.qgz", scene, outputs(tmp_path), frame())
    with zipfile.ZipFile(tmp_path / "p.qgz") as archive:
        root = ElementTree.fromstring(archive.read("p.qgs"))
    assert [layer.findtext("layername") for layer in root.findall("projectlayers/maplayer")] == [
        "Ships", "Ship mask", "Ship scores",
    ]  # fmt: skip


def test_a_project_is_a_qgz(tmp_path):
    with pytest.raises(OutputError, match=r"\.qgz"):
        check_project(tmp_path / "a.qgs")
    with pytest.raises(OutputError, match="does not exist"):
        check_project(tmp_path / "no" / "a.qgz")
    check_project(tmp_path / "A.QGZ")
