"""Ships in other forms, and what other layers say of their places."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from geoships_cli.app import app
from scenes import SHIPS, UTM, ship_scene
from shapely.affinity import rotate
from typer.testing import CliRunner

from geoships import GeoshipsError, OutputError
from geoships.datasets.annotations.coco import read_coco
from geoships.places.convert import Join, Selection, select_ships, write_as

EAST, NORTH = UTM.c, UTM.f


def ships() -> geopandas.GeoDataFrame:
    """Four ships as `ship_scene` draws them, with the columns of predict."""
    shapes = [
        shapely.box(EAST + 10 * column, NORTH - 10 * (row + height), EAST + 10 * (column + width), NORTH - 10 * row)
        for row, column, height, width in SHIPS
    ]
    return geopandas.GeoDataFrame(
        {
            "id": [1, 2, 3, 4], "score": [0.9, 0.8, 0.7, 0.6], "length_m": [200.0, 300, 200, 30],
            "width_m": [40.0, 50, 60, 30], "heading_deg": [90.0, 0, 90, 0], "cloud_fraction": [0.0, 0.2, 0.9, 0.0],
        },
        geometry=shapes, crs="EPSG:32631",
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ships().to_file(tmp_path / "ships.geojson")
    return tmp_path / "ships.geojson"


def run(*arguments: object):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_a_geopackage_has_outlines_points_and_rectangles(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.gpkg"
    assert run(file, "--out", out).exit_code == 0
    kinds = dict(pyogrio.list_layers(out))
    assert (kinds["all"], kinds["points"], kinds["rectangles"]) == ("MultiPolygon", "Point", "MultiPolygon")
    for layer in ("all", "points", "rectangles"):
        read = geopandas.read_file(out, layer=layer).to_crs("EPSG:32631")
        assert read.id.tolist() == [1, 2, 3, 4]
        centres = read.geometry.centroid.distance(ships().geometry.centroid)
        assert centres.max() < 1
    rectangles = geopandas.read_file(out, layer="rectangles").to_crs("EPSG:32631")
    np.testing.assert_allclose(rectangles.area, ships().area, rtol=0.01)
    assert (rectangles.intersection(ships().geometry).area / ships().area > 0.97).all()


def test_rectangles_follow_the_axis() -> None:
    from geoships.output.rectangles import rectangles_of

    box = rotate(shapely.box(EAST, NORTH, EAST + 30, NORTH + 200), -35)
    one = geopandas.GeoDataFrame(
        {"length_m": [200.0], "width_m": [30.0], "heading_deg": [35.0]}, geometry=[box], crs="EPSG:32631"
    )
    made = rectangles_of(one).geometry.iloc[0]
    assert made.intersection(box).area / box.area > 0.97
    unknown = rectangles_of(one.drop(columns="heading_deg")).geometry.iloc[0]
    assert unknown.symmetric_difference(box).area < 1
    assert rectangles_of(one.iloc[:0]).empty


def test_csv_and_kml(file: Path, tmp_path: Path) -> None:
    assert run(file, "--out", tmp_path / "ships.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "ships.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    shapes = geopandas.GeoSeries([shapely.from_wkt(row["geometry"]) for row in rows], crs=4326).to_crs("EPSG:32631")
    assert shapes.centroid.distance(ships().geometry.centroid).max() < 0.1
    assert run(file, "--out", tmp_path / "ships.kml").exit_code == 0
    read = geopandas.read_file(tmp_path / "ships.kml").to_crs("EPSG:32631")
    assert read.geometry.centroid.distance(ships().geometry.centroid).max() < 0.1
    assert read.Name.tolist() == ["1", "2", "3", "4"]


def test_coco_and_yolo_are_in_pixels_of_the_scene(file: Path, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    out = tmp_path / "labels.json"
    assert run(file, "--out", out, "--labels", "coco", "--scene", tmp_path / "scene.tif").exit_code == 0
    (image,) = read_coco(out)
    assert (image.name, image.size) == ("scene.tif", (180, 200))
    content = json.loads(out.read_text())
    for annotation, (row, column, height, width) in zip(content["annotations"], SHIPS, strict=True):
        np.testing.assert_allclose(annotation["bbox"], [column, row, width, height], atol=0.02)
        assert annotation["area"] == pytest.approx(height * width, rel=0.01)
    assert [annotation["score"] for annotation in content["annotations"]] == [0.9, 0.8, 0.7, 0.6]
    for form, numbers in (("yolo", 5), ("yolo-obb", 9)):
        text = tmp_path / f"{form}.txt"
        assert run(file, "--out", text, "--labels", form, "--scene", tmp_path / "scene.tif").exit_code == 0
        lines = [line.split() for line in text.read_text().splitlines()]
        assert [len(line) for line in lines] == [numbers] * 4
    row, column, height, width = SHIPS[0]
    first = [float(value) for value in (tmp_path / "yolo.txt").read_text().split()[:5]]
    expected = [0, (column + width / 2) / 200, (row + height / 2) / 180, width / 200, height / 180]
    np.testing.assert_allclose(first, expected, atol=1e-4)


def test_zones_depths_and_land(file: Path, tmp_path: Path) -> None:
    zones = geopandas.GeoDataFrame(
        {"zone": ["west", "east"]},
        geometry=[shapely.box(EAST, NORTH - 2000, EAST + 1000, NORTH),
                  shapely.box(EAST + 1000, NORTH - 1000, EAST + 2100, NORTH)], crs="EPSG:32631",
    ).to_crs(4326)  # fmt: skip
    zones.to_file(tmp_path / "zones.gpkg")
    with rasterio.open(
        tmp_path / "depth.tif", "w", driver="GTiff", height=2, width=2, count=1, dtype="float32", nodata=-1,
        crs="EPSG:32631", transform=Affine(1000, 0, EAST, 0, -1000, NORTH),
    ) as dataset:  # fmt: skip
        dataset.write(np.array([[5, 10], [20, -1]], np.float32), 1)
    land = geopandas.GeoDataFrame(geometry=[shapely.box(EAST - 500, NORTH - 2000, EAST, NORTH)], crs="EPSG:32631")
    land.to_file(tmp_path / "land.geojson")
    out = tmp_path / "joined.parquet"
    result = run(
        file, "--out", out, "--join", f"{tmp_path / 'zones.gpkg'}:zone", "--join", f"{tmp_path / 'depth.tif'}:depth",
        "--land", tmp_path / "land.geojson", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    read = geopandas.read_parquet(out)
    assert read.zone.fillna("").tolist() == ["west", "west", "", "east"]
    np.testing.assert_array_equal(read.depth, [5, 20, np.nan, 10])
    np.testing.assert_allclose(read.land_distance_m, [300, 600, 1800, 1500], atol=3)
    far = select_ships(file, Selection(land=tmp_path / "land.geojson", land_distance=1000, min_cloud_free=0.5))
    assert far.id.tolist() == [4]


def test_what_is_missing_is_told(file: Path, tmp_path: Path) -> None:
    bare = ships().drop(columns="cloud_fraction")
    with pytest.raises(GeoshipsError, match="predict --observed"):
        select_ships(bare, Selection(min_cloud_free=0.5))
    with pytest.raises(GeoshipsError, match="--land"):
        select_ships(bare, Selection(land_distance=5))
    with pytest.raises(GeoshipsError, match="no column zone"):
        select_ships(bare, Selection([Join(file, "zone")]))
    with pytest.raises(OutputError, match="--scene"):
        write_as(tmp_path / "a.json", bare, labels="coco")
    with pytest.raises(OutputError, match=r"must end with \.txt"):
        write_as(tmp_path / "a.json", bare, labels="yolo", scene="scene.tif")
    with pytest.raises(OutputError, match="no place on Earth"):
        write_as(tmp_path / "a.kml", bare.set_crs(None, allow_override=True))
    assert run(file, "--out", tmp_path / "a.shp").exit_code == 1
    assert run(file, "--out", tmp_path / "a.csv", "--join", "zones").exit_code == 2
    assert run(file, "--out", file).exit_code == 1
    assert not list(tmp_path.glob("a.*"))
