"""A network of three classes: trained, judged and used, through the command line alone."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from fake_models import fake_card
from geoships_cli.app import app
from labelled_scenes import OBJECTS, write_class_scene
from rasterio.features import rasterize
from test_qgis import has_qgis, run_qgis
from test_smoke import geoships
from typer.testing import CliRunner

from geoships.config import train_config
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle, save_bundle
from geoships.model.networks import Architecture, build_network
from geoships.output.classes import PALETTE
from geoships.output.ship_table import SHIP_COLUMNS
from geoships.training.segmentation.fit import starting_network

SETTINGS = """
name: three
data:
  root: {root}
  scenes: ["*.tif"]
  labels: .
  hold_out: [west]
  bands: [green, nir]
  classes:
    - {{name: ship}}
    - {{name: cloud, value: 7, colour: "#c0c0c0"}}
    - {{name: algae}}
  activation: {activation}
  validation: {{block: 64}}
network:
  options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}
crops: {{size: 64, around_ship: 0.9}}
optimiser: {{rate: 3e-3}}
run: {{crops: 320, batch_size: 4, precision: fp32, device: cpu, ema: 0.9, keep: last, pictures: 2}}
bundle: {{halo: 16}}
"""
VALUES = {"ship": 1, "cloud": 7, "algae": 3}
COLOURS = {"ship": PALETTE[0], "cloud": "#c0c0c0", "algae": PALETTE[2]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled scenes `east` and `west`, and in `run` a model of three classes that was trained on east."""
    folder = tmp_path_factory.mktemp("classes")
    for seed, name in enumerate(("east", "west"), 1):
        write_class_scene(folder, name, seed=seed)
    (folder / "three.yaml").write_text(SETTINGS.format(root=folder, activation="softmax"))
    said = geoships("train", "--config", folder / "three.yaml", "--out", folder / "run")
    assert all(f"val_iou_{name}" in said for name in OBJECTS)
    return folder


@pytest.fixture(scope="module")
def predicted(folder: Path) -> Path:
    outputs = {"out": "found.gpkg", "mask": "m.tif", "scores": "s.tif", "project": "all.qgz", "preview": "p.png"}
    paths = [text for kind, name in outputs.items() for text in (f"--{kind}", folder / "found" / name)]
    (folder / "found").mkdir()
    said = geoships("predict", folder / "west.tif", "--model", folder / "run" / "bundle", *paths, "--json", "--quiet")
    table = geopandas.read_file(folder / "found" / "found.gpkg", layer=0)
    assert json.loads(said)["classes"] == {name: int((table["class"] == name).sum()) for name in OBJECTS}
    assert json.loads(said)["options"]["threshold"] is None  # made again with these options, it is the same
    return folder / "found"


def test_the_card_says_the_classes(folder: Path) -> None:
    card = load_bundle(folder / "run" / "bundle").card
    assert [(found.name, found.value, f"#{found.color_hint}") for found in card.classes] == [
        (name, VALUES[name], COLOURS[name]) for name in OBJECTS
    ]
    assert card.activation == "softmax"
    assert set(card.class_thresholds) == set(OBJECTS)
    assert "cloud: value 7" in geoships("info", folder / "run" / "bundle")


def test_each_class_is_judged_by_itself(folder: Path) -> None:
    report = folder / "report"
    judging = ["--scenes", folder / "west.tif", "--labels", folder / "west.geojson", "--out", report]
    command = ["evaluate", folder / "run" / "bundle", *judging, "--device", "cpu", "--ships", folder / "outcomes"]
    summary = json.loads(geoships(*command, "--json", "--quiet"))
    figures = json.loads((report / "metrics.json").read_text())
    labels = geopandas.read_file(folder / "west.geojson")["class"].value_counts()
    for name in OBJECTS:
        ships = figures["classes"][name]["all"]["ships"]
        assert ships["touched"]["labelled"] == labels[name]
        assert ships["iou_0.3"]["f1"] > 0.8, name
        assert figures["classes"][name]["all"]["pixels"]["iou"] > 0.4
        assert figures["classes"][name]["all"] == summary["classes"][name]
    assert figures["mean"]["f1"] == pytest.approx(
        np.mean([figures["classes"][name]["all"]["ships"]["iou_0.3"]["f1"] for name in OBJECTS]), abs=1e-4
    )
    for page in ("report.md", "report.html"):
        assert all(f"Class {name}" in (report / page).read_text() for name in OBJECTS)
    outcomes = geopandas.read_file(folder / "outcomes" / "west.geojson")
    assert set(outcomes["class"]) == set(OBJECTS)
    assert (outcomes["outcome"] == "right").mean() > 0.8


def test_outputs_tell_the_class_of_each_object(folder: Path, predicted: Path) -> None:
    found = geopandas.read_file(predicted / "found.gpkg", layer=0)
    assert list(found) == [*SHIP_COLUMNS, "class", "geometry"]
    labels = geopandas.read_file(folder / "west.geojson").to_crs(found.crs)
    for name in OBJECTS:
        own, true = (shapely.union_all(table.geometry[table["class"] == name]) for table in (found, labels))
        assert own.intersection(true).area / own.union(true).area > 0.4, name
    with rasterio.open(predicted / "m.tif") as mask, rasterio.open(predicted / "s.tif") as scores:
        values, grid = mask.read(1), mask.transform
        assert {value: mask.colormap(1)[value][:3] for value in VALUES.values()} == {
            VALUES[name]: tuple(bytes.fromhex(COLOURS[name][1:])) for name in OBJECTS
        }
        assert scores.descriptions == tuple(f"{name} score" for name in OBJECTS)
        assert set(scores.colorinterp) <= {rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.undefined}
        read = scores.read() * np.array(scores.scales)[:, None, None]
    for number, name in enumerate(OBJECTS):
        shapes = found.geometry[found["class"] == name]
        inside = rasterize(shapes, values.shape, transform=grid) > 0
        assert (values[inside] == VALUES[name]).mean() > 0.95  # filled holes are not in the mask
        assert read.sum(axis=0).max() < 1.01
        assert read[number][inside].mean() == pytest.approx(
            np.average(found["score"][found["class"] == name], weights=found["pixels"][found["class"] == name]),
            abs=0.01,
        )


def test_layers_are_styled_by_class(predicted: Path) -> None:
    style = (predicted / "found.qml").read_text()
    assert 'type="categorizedSymbol" attr="class"' in style
    assert all(f'value="{name}"' in style for name in OBJECTS)
    assert all(f'label="{name}"' in (predicted / "m.qml").read_text() for name in OBJECTS)
    project = zipfile.ZipFile(predicted / "all.qgz").read("all.qgs").decode()
    assert all(f"{name.capitalize()} scores" in project for name in OBJECTS)


@pytest.mark.skipif(not has_qgis(), reason="QGIS is not installed (Debian: python3-qgis qgis-providers gdal-bin)")
def test_qgis_draws_each_class(folder: Path, predicted: Path) -> None:
    bundle = folder / "run" / "bundle"
    geoships("predict", folder / "west.tif", "--model", bundle, "--out", predicted / "also.geojson", "--quiet")
    done = run_qgis(Path(__file__).parent / "qgis_classes.py", predicted)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = {name: f"{name}|{COLOURS[name]}" for name in OBJECTS}
    for layer in ("found.gpkg", "also.geojson", "Objects"):
        assert report[layer]["renderer"] == "categorizedSymbol", layer
        assert report[layer]["categories"] == list(names.values())
        assert report[layer]["undrawn"] == 0
    for layer in ("m.tif", "Class mask"):
        assert report[layer]["renderer"] == "paletted"
        assert report[layer]["categories"] == list(names.values())
    for number, name in enumerate(OBJECTS, 1):
        assert report[f"{name.capitalize()} scores"]["band"] == number


def test_the_page_has_a_colour_for_each_class(folder: Path, predicted: Path) -> None:
    page = folder / "found.html"
    geoships("view", predicted / "found.gpkg", "--scene", folder / "west.tif", "--out", page)
    text = page.read_text()
    content = json.loads(text.split('id="content">', 1)[1].split("</script>", 1)[0])
    assert {each["name"]: each["colour"] for each in content["classes"]} == COLOURS
    assert content["columns"][0]["name"] == "class"


def test_classes_that_may_overlap_are_each_found_by_itself(folder: Path) -> None:
    settings = folder / "sigmoid.yaml"
    settings.write_text(SETTINGS.format(root=folder, activation="sigmoid"))
    run = folder / "sigmoid"
    geoships("train", "--config", settings, "--out", run, "--set", "run.crops=8", "--quiet")
    card = load_bundle(run / "bundle").card
    assert card.activation == "sigmoid"
    said = geoships(
        "predict", folder / "west.tif", "--model", run / "bundle", "--out", run / "all.gpkg", "--mask", run / "m.tif",
        "--threshold", "0.0001", "--min-peak", "0", "--json", "--quiet",
    )  # fmt: skip
    assert json.loads(said)["classes"] == dict.fromkeys(OBJECTS, 1)  # each covers the scene
    with rasterio.open(run / "m.tif") as mask:
        assert set(np.unique(mask.read(1))) <= set(VALUES.values())


def test_what_is_for_one_class_says_so(folder: Path) -> None:
    bundle = folder / "run" / "bundle"
    labelled = ["--scenes", folder / "west.tif", "--labels", folder / "west.geojson"]
    for command in (
        ["evaluate", bundle, *labelled, "--out", folder / "no", "--store-temperature"],
        ["screen", bundle, *labelled, "--out", folder / "no"],
        ["crossval", "--config", folder / "three.yaml", "--out", folder / "no"],
    ):
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert isinstance(result.exception, GeoshipsError), command
        assert "one class" in str(result.exception)
    assert not (folder / "no").exists()


def test_a_training_starts_from_a_model_of_one_class(folder: Path) -> None:
    options = {"encoder_depth": 3, "decoder_channels": [24, 16, 8]}
    network = {"decoder": "unet", "encoder": "timm-tf_efficientnet_lite0", "options": options}
    card = fake_card(bands=("green", "nir"), **{"geoships:network": network})
    weights = build_network(Architecture("unet", "timm-tf_efficientnet_lite0", 2, options=options)).state_dict()
    save_bundle(folder / "one", card, weights, half=False)
    started = starting_network(train_config(folder / "three.yaml", (f"start.bundle={folder / 'one'}",))).state_dict()
    last = {name for name in weights if name.startswith("segmentation_head")}
    assert {name for name, value in weights.items() if not torch.equal(value, started[name])} == last
    assert all(len(started[name]) == 3 for name in last)
