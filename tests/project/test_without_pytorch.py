"""All that a run does by OpenVINO or ONNX Runtime works where PyTorch is not installed: screen and verifier, too."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from fake_models import fake_card
from labelled_scenes import BANDS, write_reflectance, write_scene
from lean_process import run_lean

from geoships import PredictConfig, predict
from geoships.cluster.fingerprint import model_mark
from geoships.model.bundle import Bundle, load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.networks import Architecture, build_classifier, build_network
from geoships.model.screen import screen_of
from geoships.workflows.fit_screen import fit_screen

pytest.importorskip("openvino")
pytest.importorskip("onnx")
from geoships.model.engines.graph_maker import with_graph

UNET = {
    "decoder": "unet",
    "encoder": "timm-tf_efficientnet_lite0",
    "options": {"encoder_depth": 3, "decoder_channels": [16, 12, 8]},
}
TILE = 96


def card_of(network: dict[str, object], side: int, **more: object) -> Card:
    entry = {
        "bands": ["green", "nir"],
        "input": {"shape": (-1, 2, side, side)},
        "value_scaling": [{"mean": 0.1, "stddev": 0.1}] * 2,
    }
    return fake_card(**{"mlm:input": [entry], "geoships:network": network, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of ships and open sea, and a model with random weights, a fitted screen and a verifier: model.zip."""
    folder = tmp_path_factory.mktemp("lean")
    for seed, name in enumerate(("east", "west", "north"), 1):
        write_scene(folder, name, seed=seed, bands=BANDS[:2])
    scenes = [folder / f"{name}.tif" for name in ("east", "west", "north")]
    with rasterio.open(scenes[2]) as dataset:
        ships = dataset.read() * 1e-4
    water = np.random.default_rng(0).normal([[[0.06]], [[0.02]]], 0.004, (2, ships.shape[1], 400))
    image = np.concatenate([ships, water], axis=2).astype(np.float32)
    write_reflectance(folder / "scene.tif", image, BANDS[:2], Affine(10, 0, 500_000, 0, -10, 4_000_000))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(Architecture("unet", str(UNET["encoder"]), 2, 1, UNET["options"]))  # type: ignore[arg-type]
        chips = build_classifier(Architecture("", "resnet10t", 2))
    classifier = card_of(
        {"decoder": "", "encoder": "resnet10t"}, 32, **{"mlm:name": "second look", "mlm:tasks": ["classification"]}
    )
    model = Bundle(card_of(UNET, -1, **{"geoships:step": 8}), network.state_dict(), folder)
    fit_screen(model, folder / "screened.zip", scenes, [folder], held_out=["north"])
    screened = load_bundle(folder / "screened.zip")
    made = with_graph(replace(screened, verifier=Bundle(classifier, chips.state_dict(), folder)))
    save_bundle(
        folder / "model.zip", made.card, made.weights, half=False, verifier=made.verifier, screen=made.screen,
        graph=made.graph,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_run_without_pytorch_skips_and_scores_as_with_it(
    folder: Path, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--model", folder / "model.zip", "--verify", "--tile-size", TILE, "--precision", "fp32"]
    files = ["--out", "ships.geojson", "--scores", "scores.tif", "--preview", "ships.png", "--project", "ships.qgz"]
    done = run_lean(
        "predict", folder / "scene.tif", *map(str, options), *files, "--engine", engine, "--json", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lean = json.loads(done.stdout)
    config = PredictConfig(device="cpu", engine="torch", precision="fp32", tile_size=TILE, verify=True)
    full = predict(folder / "scene.tif", scores=tmp_path / "full.tif", config=config, model=folder / "model.zip")
    assert full.tiles.planned > full.tiles.empty > 0
    assert lean["tiles"] == full.summary()["tiles"]
    assert lean["verifier"] == "second look"
    assert lean["ships"] == len(full.ships)
    with rasterio.open(tmp_path / "scores.tif") as one, rasterio.open(tmp_path / "full.tif") as other:
        np.testing.assert_allclose(one.read().astype(int), other.read(), atol=1)  # bytes, rounded by each


def test_a_result_that_is_there_is_kept_without_pytorch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["predict", folder / "scene.tif", "--model", folder / "model.zip", "--mask", "m.tif", "--engine", "torch"]
    made = subprocess.run([Path(sys.executable).with_name("geoships"), *words], cwd=tmp_path, capture_output=True)
    assert made.returncode == 0, made.stderr
    again = run_lean(*words, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "m.tif holds the result of this very run already" in again.stderr


def test_the_graph_of_a_screen_stays_with_it(folder: Path, tmp_path: Path) -> None:
    loaded = load_bundle(folder / "model.zip")
    assert loaded.screen is not None
    assert loaded.screen.graph is not None
    assert with_graph(loaded).screen is loaded.screen
    warmer = with_graph(replace(loaded, card=loaded.card.model_copy(update={"temperature": 2.0})))
    assert warmer.screen is loaded.screen  # a temperature changes the scores of ships only
    assert warmer.graph != loaded.graph
    save_bundle(tmp_path / "b", loaded.card, loaded.weights, screen=loaded.screen)
    again = load_bundle(tmp_path / "b")
    assert again.screen is not None
    assert again.screen.graph == loaded.screen.graph
    assert model_mark(replace(loaded, screen=replace(loaded.screen, graph=None))) == model_mark(loaded)
    screen = screen_of(again)
    assert screen is not None
    assert screen.weights["head.bias"].shape == (1,)


def test_what_takes_pytorch_says_so(folder: Path, tmp_path: Path) -> None:
    options = ["--model", folder / "model.zip", "--out", "x.geojson", "--engine", "torch"]
    done = run_lean("predict", folder / "scene.tif", *options, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "this needs torch" in done.stderr
