"""STAC from end to end: Items read, searched and written."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from fake_models import fake_bundle
from geoships_cli.app import main
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from scenes import SHIPS, UTM, ship_scene
from stac_api import Api, serving
from stac_schemas import SCHEMAS

from geoships import OutputError, PredictConfig, predict
from geoships.model import bundle as bundles
from geoships.model.installed import ModelChoice
from geoships.pipeline import batch, scene_run

SMALL_TILES = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32")
TIMED = "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_20230101T140000"


def valid_item(path: Path) -> pystac.Item:
    """Read an Item after the checks of pystac; schemas that are not at hand are an error."""
    item = pystac.Item.from_file(str(path))
    validator = JsonSchemaSTACValidator()
    validator.schema_cache |= SCHEMAS
    assert {*SCHEMAS} == {*item.stac_extensions}
    item.validate(validator=validator)
    return item


def run(folder: Path, scene: Any, **options: Any) -> pystac.Item:
    predict(scene, stac=folder / "item.json", config=SMALL_TILES, model=fake_bundle(), **options)
    return valid_item(folder / "item.json")


def test_the_item_of_a_run(tmp_path: Path) -> None:
    ship_scene(tmp_path / f"{TIMED}.tif")
    outputs = {"out": tmp_path / "ships.gpkg", "mask": tmp_path / "mask.tif", "scores": tmp_path / "scores.tif"}
    item = run(tmp_path, tmp_path / f"{TIMED}.tif", **outputs)
    assert item.datetime is not None
    assert item.datetime.isoformat() == "2023-01-01T10:54:21+00:00"
    assert geopandas.read_file(outputs["out"], layer="ships").datetime.unique().tolist() == ["2023-01-01T10:54:21Z"]
    assert set(item.assets) == {"vector", "mask", "scores", "model"}
    for asset in item.assets.values():
        assert asset.href.startswith("./")
        content = (tmp_path / asset.href).read_bytes()
        assert asset.extra_fields["file:size"] == len(content)
        assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    card = json.loads((tmp_path / item.assets["model"].href).read_text())
    assert card["mlm:name"] == item.assets["model"].extra_fields["mlm:name"] == "fake"
    assert [link.href for link in item.get_links("derived_from")] == [f"./{TIMED}.tif"]
    assert item.properties["proj:code"] == "EPSG:32631"
    assert item.properties["proj:shape"] == [180, 200]
    assert Affine(*item.properties["proj:transform"]) == UTM
    assert item.properties["geoships:ships"] == len(SHIPS)
    ground = geopandas.GeoSeries([shapely.box(500000, 3998200, 502000, 4000000)], crs=32631).to_crs(4326)[0]
    footprint = shapely.geometry.shape(item.geometry)
    assert footprint.symmetric_difference(ground).area < 1e-3 * ground.area
    np.testing.assert_allclose(item.bbox, footprint.bounds)


def test_the_range_of_a_scene_without_time_and_the_antimeridian(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", transform=Affine(1e-4, 0, 179.99, 0, -9e-5, -17.0), crs="EPSG:4326")
    result = predict(
        tmp_path / "scene.tif", mask=tmp_path / "m.tif", stac=tmp_path / "i.json", config=SMALL_TILES,
        model=fake_bundle(),
    )  # fmt: skip
    item = valid_item(tmp_path / "i.json")
    assert item.datetime is None
    assert item.properties["start_datetime"] == "1957-10-04T00:00:00Z"
    assert item.geometry["type"] == "MultiPolygon"
    np.testing.assert_allclose(item.bbox, [179.99, -17.0162, -179.99, -17.0], atol=1e-6)
    assert result.outputs["stac"] == tmp_path / "i.json"


def test_a_scene_without_a_place_has_no_geometry(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", transform=None, crs=None)
    item = run(tmp_path, tmp_path / "scene.tif", out=tmp_path / "s.geojson")
    assert item.geometry is None
    assert item.bbox is None
    assert item.properties["proj:code"] is None


def test_an_item_that_cannot_be_written_is_known_before_any_work(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    for name, message in (("item.txt", "must end with .json"), ("none/i.json", "does not exist")):
        with pytest.raises(OutputError, match=message):
            predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", stac=tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def sentinel_2(api: Api, name: str, cloud: float, west: float = 500000) -> None:
    """An Item in the words of Earth Search: red of 10 m with ships, swir16 of 20 m, both with the offset of -0.1."""
    transform = UTM @ Affine.translation((west - 500000) / 10, 0)
    ship_scene(api.folder / f"{name}_red.tif", transform=transform, offset=-0.1)
    coarse = transform @ Affine.scale(2)
    with rasterio.open(
        api.folder / f"{name}_swir16.tif", "w", driver="GTiff", height=90, width=100, count=1, dtype="uint16",
        crs="EPSG:32631", transform=coarse,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((1, 90, 100), 1400, np.uint16))
    ground = shapely.box(west, 3998200, west + 2000, 4000000)
    geometry = geopandas.GeoSeries([ground], crs=32631).to_crs(4326)[0]
    api.items[name] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": shapely.geometry.mapping(geometry),
        "bbox": list(geometry.bounds),
        "properties": {
            "datetime": "2023-01-01T10:54:21Z", "constellation": "sentinel-2", "eo:cloud_cover": cloud,
            "earthsearch:boa_offset_applied": False,
        },
        "assets": {
            band: {
                "href": f"{api.url}/files/{name}_{band}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data", "reflectance"],
                "eo:bands": [{"name": band, "common_name": band}],
                "raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1, "spatial_resolution": gsd}],
            }
            for band, gsd in (("red", 10), ("swir16", 20))
        },
    }  # fmt: skip


@pytest.fixture
def geoships(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command with a fake model of red and swir16; returns exit code, stdout and stderr."""
    bundle = fake_bundle(bands=("red", "swir16"))
    for where in (bundles, batch, scene_run):
        monkeypatch.setattr(where, "load_bundle", lambda _=None: bundle)
    monkeypatch.setattr(scene_run, "choose_model", lambda *_: ModelChoice(Path("fake"), "the only one"))

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["geoships", "predict", *map(str, arguments), "--device", "cpu"])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return call


BOX = ("--bbox", 3.0, 36.13, 3.02, 36.14)  # within the first two scenes


@pytest.mark.parametrize(("post", "query"), [(True, True), (False, False)])
def test_a_search_takes_the_least_cloudy_that_covers_the_box(geoships, post, query, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with serving(Api(tmp_path / "files", post=post, query=query)) as api:
        sentinel_2(api, "cloudy", 60)
        sentinel_2(api, "fair", 12)
        sentinel_2(api, "edge", 1, west=501700)
        out, item = tmp_path / "ships.geojson", tmp_path / "item.json"
        code, said, heard = geoships(
            "--stac-api", api.url, "--collection", "s2", *BOX, "--datetime", "2023-01-01/2023-01-31",
            "--max-cloud", 20, "--out", out, "--stac", item,
        )  # fmt: skip
        assert code == 0, heard
        assert {method for method, _ in api.seen} == ({"POST"} if post else {"GET"})
        assert "2 items found" in heard
        assert "fair (2023-01-01T10:54:21Z, 12 % clouds, 100% of the box)" in heard
        assert f"/collections/s2/items/fair: {len(json.loads(out.read_text())['features'])} ship" in said
        written = valid_item(item)
    assert [link.href for link in written.get_links("derived_from")] == [f"{api.url}/collections/s2/items/fair"]
    ships = geopandas.read_file(out)
    assert len(ships) == 2  # the others lie outside the box
    assert {str(time) for time in ships.datetime} == {"2023-01-01 10:54:21+00:00"}
    assert not [path for path in api.requests if "cloudy" in path or "edge" in path]


def test_all_items_of_a_search_and_one_by_its_address(geoships, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with serving(Api(tmp_path / "files")) as api:
        sentinel_2(api, "one", 60)
        sentinel_2(api, "two", 12)
        found = ("--stac-api", api.url, "--collection", "s2", "--bbox", 2.9, 36, 3.2, 36.3)
        code, _, heard = geoships(*found, "--out-dir", tmp_path / "out", "--items", "--rasters")
        assert code == 0, heard
        assert "reflectance: scale and offset of the STAC Item" in heard
        code, _, heard = geoships(f"{api.url}/collections/s2/items/one", "--out", tmp_path / "one.geojson")
        assert code == 0, heard
        code, _, heard = geoships(f"{api.url}/collections/s2/items/none", "--out", tmp_path / "none.geojson")
        assert code == 1
        assert "the server answered 404" in heard
        code, _, heard = geoships(*found[:5], 50, 50, 51, 51, "--out", tmp_path / "none.geojson")
        assert (code, heard.count("\n")) == (1, 1)
        assert "no item matches" in heard
    written = [path for path in (tmp_path / "out").glob("[!.]*") if path.suffix != ".qml"]
    assert len(written) == 2 * 5
    with rasterio.open(tmp_path / "out" / "two_mask.tif") as mask:
        np.testing.assert_array_equal(mask.read(1), ship_scene(tmp_path / "same.tif", offset=-0.1))
    assert len(geopandas.read_file(tmp_path / "one.geojson")) == len(SHIPS)
    valid_item(tmp_path / "out" / "one_item.json")


def test_files_band_by_band(geoships, tmp_path: Path) -> None:
    api = Api(tmp_path)
    sentinel_2(api, "a", 0)
    bands = [f"--band={band}={tmp_path}/a_{band}.tif" for band in ("red", "swir16")]
    code, _, heard = geoships(*bands, "--out", tmp_path / "s.geojson", "--stac", tmp_path / "i.json", "--scale", "1e-4",
                              "--offset=-0.1")  # fmt: skip
    assert code == 0, heard
    links = valid_item(tmp_path / "i.json").get_links("derived_from")
    assert [link.href for link in links] == ["./a_red.tif", "./a_swir16.tif"]
    assert len(geopandas.read_file(tmp_path / "s.geojson")) == len(SHIPS)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.tif", "--band", "red=b.tif", "--out", "s.geojson"], 2, "--band"),
        (["--out", "s.geojson"], 2, "name scenes"),
        (["a.tif", "--max-cloud", "3", "--out", "s.geojson"], 2, "belong"),
        (["--stac-api", "http://127.0.0.1:9", "--out", "s.geojson"], 2, "--collection"),
        (["--stac-api", "http://127.0.0.1:9", "--collection", "c", *BOX, "--out", "s.geojson"], 1, "search failed"),
        (["--stac-api", "x", "--collection", "c", "--bbox", 5, 3, 6, 2, "--out", "s.geojson"], 1, "--bbox"),
        (["--band", "red", "--out", "s.geojson"], 1, "NAME=FILE"),
    ],
)
def test_mistakes_are_one_clear_line(geoships, arguments, code, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = geoships(*arguments)
    assert result[0] == code
    assert message in result[2]
    assert code == 2 or (result[2].startswith("error: ") and result[2].count("\n") == 1)
    assert not list(tmp_path.iterdir())
