"""No output of a prediction replaces what exists, unless asked to, and never what is read."""

import os
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from fake_models import fake_bundle
from safe_products import write_product, zipped
from scenes import ship_scene

from geoships import OutputError, PredictConfig, band_files, predict
from geoships.pipeline.batch import SceneJob, plan_outputs, predict_many
from geoships.scene.opening.open import SceneFile

CONFIG = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32")
OVERWRITE = CONFIG.model_copy(update={"overwrite": True})
VRT = """<VRTDataset rasterXSize="200" rasterYSize="180"><SRS>EPSG:32631</SRS>
<GeoTransform>500000, 10, 0, 4000000, 0, -10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize("kind", ["out", "mask", "scores", "preview", "project", "stac"])
def test_an_output_that_exists_is_refused_before_the_model_runs(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings = {"out": "gpkg", "mask": "tif", "scores": "tif", "preview": "png", "project": "qgz", "stac": "json"}
    ship_scene(tmp_path / "scene.tif")
    place = tmp_path / f"here.{endings[kind]}"
    place.write_bytes(b"mine")
    monkeypatch.setattr("geoships.pipeline.predict.open_run", lambda *_, **__: pytest.fail("the run began"))
    with pytest.raises(OutputError, match=f"{place.name} exists already; name another, or use --overwrite"):
        predict(tmp_path / "scene.tif", **{kind: place}, config=CONFIG, model=fake_bundle())
    assert place.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", place.name}


def test_the_card_beside_a_stac_item_is_an_output_too(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    (tmp_path / "item_model.json").touch()
    with pytest.raises(OutputError, match=r"item_model\.json exists"):
        predict(tmp_path / "scene.tif", stac=tmp_path / "item.json", config=CONFIG, model=fake_bundle())


def test_with_overwrite_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    outputs = {"out": tmp_path / "s.geojson", "mask": tmp_path / "m.tif"}
    for _ in range(2):
        result = predict(tmp_path / "scene.tif", **outputs, config=OVERWRITE, model=fake_bundle())
    assert len(geopandas.read_file(tmp_path / "s.geojson")) == len(result.ships) == 4


def refused(scene: object, output: Path, kind: str = "", **settings: object) -> None:
    before = output.read_bytes() if output.is_file() else None
    kind = kind or {".tif": "mask"}.get(output.suffix, "out")
    with pytest.raises(OutputError, match="is the input"):
        predict(scene, **{kind: output}, config=OVERWRITE.model_copy(update=settings), model=fake_bundle())
    assert (output.read_bytes() if output.is_file() else None) == before


@pytest.mark.parametrize("name", ["scene.tif", "x/../scene.tif", "symbolic.tif", "hard.tif", "folder/scene.tif"])
def test_a_scene_is_not_replaced_under_any_name(tmp_path: Path, name: str) -> None:
    ship_scene(tmp_path / "scene.tif")
    (tmp_path / "x").mkdir()
    (tmp_path / "symbolic.tif").symlink_to("scene.tif")
    os.link(tmp_path / "scene.tif", tmp_path / "hard.tif")
    (tmp_path / "folder").symlink_to(tmp_path)
    refused(tmp_path / "scene.tif", tmp_path / name)
    refused(f"file://{tmp_path / 'scene.tif'}", tmp_path / name)


def test_sources_of_a_vrt_are_not_replaced_also_by_way_of_another(tmp_path: Path) -> None:
    ship_scene(tmp_path / "source.tif")
    (tmp_path / "inner.vrt").write_text(VRT.format("source.tif"))
    (tmp_path / "outer.vrt").write_text(VRT.format("inner.vrt"))
    for scene in ("inner.vrt", "outer.vrt", "source.tif"):
        refused(tmp_path / scene, tmp_path / "source.tif")
    refused(band_files([f"red={tmp_path / 'outer.vrt'}"]), tmp_path / "source.tif")


def test_files_beside_a_scene_belong_to_it(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(tmp_path / "scene.tif", "r+") as file:
        file.build_overviews([2])
    (tmp_path / "mask.tif").symlink_to("scene.tif.ovr")
    refused(tmp_path / "scene.tif", tmp_path / "mask.tif")
    refused(band_files([f"red={tmp_path / 'scene.tif'}"]), tmp_path / "mask.tif")


def test_nothing_goes_into_a_product_or_over_its_zip(tmp_path: Path) -> None:
    pixels = {band: np.full((64, 64), 2000, np.uint16) for band in ("B02_10m", "B03_10m", "B04_10m", "B08_10m")}
    product = write_product(tmp_path, pixels)
    refused(product, product / "mask.tif")
    refused(product, product / "GRANULE" / "mask.tif")
    archive = zipped(product)
    (tmp_path / "mask.tif").symlink_to(archive)
    refused(archive, tmp_path / "mask.tif")
    ship_scene(tmp_path / "scene.tif")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as file:
        file.write(tmp_path / "scene.tif", "scene.tif")
    (tmp_path / "other.tif").symlink_to("one.zip")
    refused(f"zip://{tmp_path / 'one.zip'}!scene.tif", tmp_path / "other.tif")


def test_layers_and_the_model_are_read_too(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    area = geopandas.GeoDataFrame(geometry=[shapely.box(500000, 3998000, 502000, 4000000)], crs=32631)
    area.to_file(tmp_path / "area.geojson")
    area.to_file(tmp_path / "area.shp")
    (tmp_path / "ships.geojson").symlink_to("area.dbf")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    refused(tmp_path / "scene.tif", tmp_path / "area.geojson", area=tmp_path / "area.geojson")
    refused(tmp_path / "scene.tif", tmp_path / "area.geojson", land=tmp_path / "area.geojson")
    refused(tmp_path / "scene.tif", tmp_path / "ships.geojson", area=tmp_path / "area.shp")
    refused(tmp_path / "scene.tif", tmp_path / "model" / "model.json", kind="stac", model=str(tmp_path / "model"))


def test_of_many_scenes_none_is_begun_where_one_output_exists(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    jobs = plan_outputs([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.geojson").touch()
    with pytest.raises(OutputError, match=r"b.geojson exists already"):
        predict_many(jobs, CONFIG)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.geojson"}


def test_the_output_of_one_scene_is_not_another_scene(tmp_path: Path) -> None:
    for name in ("a.tif", "a_mask.tif"):
        ship_scene(tmp_path / name)
    jobs = [SceneJob(tmp_path / "a.tif", mask=tmp_path / "a_mask.tif"), SceneJob(tmp_path / "a_mask.tif")]
    with pytest.raises(OutputError, match=r"a_mask.tif is the input"):
        predict_many(jobs, OVERWRITE)


def test_files_of_a_remote_scene_are_not_local() -> None:
    files = band_files(["red=https://host.invalid/red.tif"])
    assert list(SceneFile(files).local_files()) == []
