"""The summary of a prediction says what it was made of, and is enough to make it again."""

import hashlib
import json
from pathlib import Path

import geopandas
import pytest
import shapely
from fake_models import fake_bundle, fake_classifier
from scenes import ship_scene

from geoships import GeoshipsError, PredictConfig, band_files, predict
from geoships.config import predict_config
from geoships.model.fingerprint import fingerprint
from geoships.pipeline.record import without_area
from geoships.support.fingerprint import settings_fingerprint

CONFIG = PredictConfig(tile_size=96, min_area=0, device="cpu")


def area(path: Path) -> Path:
    geopandas.GeoDataFrame(geometry=[shapely.box(500000, 3998000, 501500, 4000000)], crs=32631).to_file(path)
    return path


def test_the_summary_names_inputs_bundle_options_versions_and_timings(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = CONFIG.model_copy(update={"area": area(tmp_path / "area.geojson")})
    summary = json.loads(json.dumps(predict(tmp_path / "scene.tif", config=config, model=fake_bundle()).summary()))
    names = {Path(known["path"]).name: known["sha256"] for known in summary["inputs"]}
    assert names.keys() == {"scene.tif", "area.geojson"}
    assert names["scene.tif"] == hashlib.sha256((tmp_path / "scene.tif").read_bytes()).hexdigest()
    assert summary["bundle"] == {**summary["bundle"], "name": "fake", "fingerprint": fingerprint(fake_bundle())}
    assert summary["options_sha256"] == settings_fingerprint(summary["options"])
    assert {"geoships", "python", "gdal", "proj", "torch", "rasterio"} <= summary["versions"].keys()
    assert summary["timings"].keys() == {"open", "scores", "ships", "outputs"}
    assert sum(summary["timings"].values()) == pytest.approx(summary["seconds"], abs=0.005)
    assert summary["started"].endswith("+00:00")


def test_what_was_chosen_for_the_user_is_in_the_options(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = CONFIG.model_copy(update={"overwrite": True})
    bundle = fake_bundle()
    options = predict(tmp_path / "scene.tif", config=config, model=bundle).record["options"]
    assert isinstance(options, dict)
    assert "overwrite" not in options
    assert (options["threshold"], options["views"]) == (bundle.card.threshold, bundle.card.views)
    assert options["engine"] != "auto"
    assert options["precision"] != "auto"
    assert options["verify"] is False
    assert options.keys() == PredictConfig.model_fields.keys() - {"overwrite"}


def test_a_summary_is_a_file_of_settings(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = CONFIG.model_copy(update={"threshold": 0.3, "area": area(tmp_path / "area.geojson"), "simplify": 1e-5})
    first = predict(tmp_path / "scene.tif", out=tmp_path / "a.geojson", config=config, model=fake_bundle())
    (tmp_path / "one.json").write_text(json.dumps(first.summary()))
    again = predict_config(tmp_path / "one.json")
    assert again.model_dump(exclude={"engine", "precision", "min_peak", "views", "verify", "model"}) == (
        config.model_dump(exclude={"engine", "precision", "min_peak", "views", "verify", "model"})
    )
    second = predict(tmp_path / "scene.tif", out=tmp_path / "b.geojson", config=again, model=fake_bundle())
    assert second.record["options_sha256"] == first.record["options_sha256"]
    left, right = ((tmp_path / name).read_bytes() for name in ("a.geojson", "b.geojson"))
    assert left.replace(b'"a"', b'"b"') == right
    (tmp_path / "many.json").write_text(json.dumps({"scenes": [first.summary(), second.summary()], "failed": []}))
    assert predict_config(tmp_path / "many.json", threshold=0.4) == again.model_copy(update={"threshold": 0.4})
    other = {**first.summary(), "options": {"threshold": 0.9}}
    (tmp_path / "many.json").write_text(json.dumps({"scenes": [first.summary(), other]}))
    with pytest.raises(GeoshipsError, match="not all predicted with the same options"):
        predict_config(tmp_path / "many.json")


def test_the_box_of_a_search_is_no_file_that_stays(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = CONFIG.model_copy(update={"area": area(tmp_path / "bbox.geojson")})
    summary = without_area(predict(tmp_path / "scene.tif", config=config, model=fake_bundle()).summary())
    assert [Path(known["path"]).name for known in summary["inputs"]] == ["scene.tif"]
    assert summary["options"]["area"] is None
    assert summary["options_sha256"] == settings_fingerprint(summary["options"])


def test_bands_in_files_are_each_known(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        ship_scene(tmp_path / name)
    scene = band_files([f"red={tmp_path / 'a.tif'}", f"nir={tmp_path / 'b.tif'}"])
    inputs = predict(scene, config=CONFIG, model=fake_bundle()).record["inputs"]
    assert isinstance(inputs, list)
    assert [Path(known["path"]).name for known in inputs] == ["a.tif", "b.tif"]


def test_the_verifier_is_named_too(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    model = fake_bundle(**{"geoships:verify": False})
    model = type(model)(model.card, model.weights, model.path, verifier=fake_classifier())
    record = predict(tmp_path / "scene.tif", config=CONFIG.model_copy(update={"verify": True}), model=model).record
    verifier = record["verifier_bundle"]
    assert isinstance(verifier, dict)
    assert verifier["name"] == fake_classifier().card.name
