import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from fake_models import fake_bundle, fake_classifier
from labelled_chips import make_chip, write_chip

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle_files import load_card
from geoships.model.installed import installed
from geoships.workflows import predict_chips as workflow
from geoships.workflows.predict_chips import predict_chips

LON_LAT = (-122.3322, 37.7501)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A bright and a dark chip whose names give a location, one without location, and fake models."""
    monkeypatch.setattr(
        workflow, "load_bundle", lambda name: fake_classifier(("red", "green", "blue"), 80) if name == "chips-rgb3m"
        else fake_bundle(bands=("red",), gsd=3.0),
    )  # fmt: skip
    picture = np.full((80, 80, 3), 10, np.uint8)
    write_chip(tmp_path / f"chips/0__20170414_180529_0f28__{LON_LAT[0]}_{LON_LAT[1]}.png", picture)
    picture[30:50, 38:42] = 240  # 20 x 4 pixels of 3 m in the middle
    write_chip(tmp_path / f"chips/1__20170414_180529_0f28__{LON_LAT[0]}_{LON_LAT[1]}.png", picture)
    write_chip(tmp_path / "chips/more/any.png", make_chip(1, ship=True, size=40))
    return tmp_path / "chips"


def test_every_chip_has_a_probability_and_every_ship_an_outline(folder: Path, tmp_path: Path) -> None:
    result = predict_chips(folder, tmp_path / "c.geojson", config=PredictConfig(model="any", device="cpu", views=1))
    assert (len(result.chips), result.labelled, result.model) == (3, 2, "fake")
    table = geopandas.read_file(tmp_path / "c.geojson")
    dark, bright, unlocated = (row for _, row in table.iterrows())
    assert (dark["shapes"], dark["shape_area_m2"], dark["label"], dark.geometry) == (
        0,
        0,
        0,
        shapely.Point(*LON_LAT),
    )
    assert (bright["shapes"], bright["scene"]) == (1, "20170414_180529_0f28")
    assert bright["shape_area_m2"] == pytest.approx(20 * 4 * 9, rel=2e-3)
    assert bright["class_prob"] > dark["class_prob"]
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(bright.geometry)
    assert abs(area) == pytest.approx(bright["shape_area_m2"], rel=2e-3)
    assert bright.geometry.centroid.distance(shapely.Point(*LON_LAT)) < 1e-6
    assert unlocated.geometry is None
    assert unlocated["file"] == "more/any.png"


def test_every_column_is_explained_and_the_probability_agrees_with_the_verdict(folder: Path, tmp_path: Path) -> None:
    result = predict_chips(folder, tmp_path / "c.csv", config=PredictConfig(model="any", device="cpu", views=1))
    table = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert set(result.meanings) == set(table[0]) - {"geometry"}
    assert f"class_prob reaches {result.threshold:g}" in result.meanings["ship"]
    for row in table:
        assert (float(row["class_prob"]) >= result.threshold) == (row["ship"] == "True")
    assert not {"score", "probability"} & set(table[0])  # of which nobody could say what they belong to


def test_without_a_segmentation_model_geometries_are_points(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    classifiers = [(name, path) for name, path in installed() if load_card(path).is_classifier]
    monkeypatch.setattr(workflow, "installed", lambda: classifiers)
    result = predict_chips(folder, tmp_path / "c.csv")
    assert result.model is None
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert [row["geometry"][:5] for row in rows] == ["POINT", "POINT", ""]
    assert [row["shapes"] for row in rows] == ["", "", ""]
    assert all(0 <= float(row["class_prob"]) <= 1 for row in rows)


def test_invalid_folders_and_outputs_give_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(GeoshipsError, match=r"ends with \.csv or \.geojson"):
        predict_chips(folder, tmp_path / "c.gpkg")
    monkeypatch.setattr(workflow, "load_bundle", lambda _: fake_bundle(bands=("red", "nir"), gsd=3.0))
    with pytest.raises(GeoshipsError, match="needs the bands nir, which chips do not have"):
        predict_chips(folder, tmp_path / "c.csv", config=PredictConfig(model="any"))
    monkeypatch.undo()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GeoshipsError, match="expected PNG, JPEG or TIFF files, got none"):
        predict_chips(tmp_path / "empty", tmp_path / "c.csv")
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.raises(GeoshipsError, match=r"cannot read the chip .*broken\.png"):
        predict_chips(folder, tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


def test_the_installed_classifier_on_real_chips(shared_data: Path, tmp_path: Path) -> None:
    chips = shared_data / "shipsnet" / "images_named"
    if not chips.is_dir():
        pytest.skip(f"no chips in {chips}")
    result = predict_chips(chips, tmp_path / "c.geojson")
    assert result.labelled > 20  # other names give no location
    assert len(result.chips) == len(json.loads((tmp_path / "c.geojson").read_text())["features"])
    assert result.right / result.labelled > 0.95


@pytest.mark.parametrize("name", ["c.csv", "c.geojson"])
@pytest.mark.parametrize("lon", [179.9999, -179.9999, 180.0])
def test_outlines_are_cut_at_the_antimeridian(folder: Path, tmp_path: Path, name: str, lon: float) -> None:
    picture = np.full((80, 80, 3), 10, np.uint8)
    picture[38:42, 20:60] = 240
    for chip in folder.glob("*.png"):
        chip.unlink()
    write_chip(folder / f"1__20170101_000000_1234__{lon}_-16.8.png", picture)
    predict_chips(folder, tmp_path / name, config=PredictConfig(model="any", device="cpu", views=1))
    if name == "c.csv":
        table = csv.DictReader((tmp_path / name).read_text().splitlines())
        shapes = [shapely.from_wkt(row["geometry"]) for row in table if row["geometry"]]
    else:
        shapes = [shape for shape in geopandas.read_file(tmp_path / name).geometry if shape]
    parts = shapely.get_parts(shapes)
    assert len(parts) == 2
    west, _, east, _ = shapely.bounds(parts).T
    assert (west >= -180).all()
    assert (east <= 180).all()
    assert (east - west < 0.01).all()
