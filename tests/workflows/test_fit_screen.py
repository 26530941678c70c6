"""Fitting a screen, saving it, and running it on any engine."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from fake_models import fake_card
from hypothesis import given
from hypothesis import strategies as st
from labelled_scenes import write_scene

from geoships import PredictConfig, predict
from geoships.errors import BundleError, GeoshipsError
from geoships.model.bundle import Bundle, Screen, load_bundle, save_bundle
from geoships.model.engines.choose import choose_engine
from geoships.model.networks import Architecture, build_network
from geoships.model.screen import CONTEXT, SEGMENT, _segments, peak_scores, screen_of
from geoships.workflows.fit_screen import fit_screen, passing_ships

OPTIONS = {"encoder_depth": 3, "decoder_channels": [16, 12, 8]}


@pytest.fixture(scope="module")
def model() -> Bundle:
    """A U-Net with random weights: the first stages of any encoder separate bright ships from dark water."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(Architecture("unet", "timm-tf_efficientnet_lite0", 2, 1, OPTIONS))
    entry = {
        "bands": ["green", "nir"],
        "input": {"shape": (-1, 2, -1, -1)},
        "value_scaling": [{"mean": 0.1, "stddev": 0.1}] * 2,
    }
    network_card = {"decoder": "unet", "encoder": "timm-tf_efficientnet_lite0", "options": OPTIONS}
    card = fake_card(**{"mlm:input": [entry], "geoships:network": network_card, "geoships:step": 8})
    return Bundle(card, network.state_dict(), Path("made"))


def test_a_fitted_screen_skips_water_on_every_engine(model: Bundle, tmp_path: Path) -> None:
    for seed, name in enumerate(("east", "west", "north"), 1):
        write_scene(tmp_path, name, seed=seed)
    scenes = [tmp_path / f"{name}.tif" for name in ("east", "west", "north")]
    fitted = fit_screen(model, tmp_path / "model.zip", scenes, [tmp_path], held_out=["north"])
    assert (fitted.scenes, fitted.card.recall) == (1, 1.0)
    loaded = load_bundle(tmp_path / "model.zip")
    assert loaded.card.screen == fitted.card
    screen = screen_of(loaded)
    assert screen is not None
    passed, ships = passing_ships(loaded, [scenes[2]], [tmp_path])
    assert passed == ships > 0  # this scene has set the threshold
    with pytest.raises(BundleError, match="no screen"):
        passing_ships(model, [scenes[2]], [tmp_path])

    with rasterio.open(scenes[2]) as north:
        image = torch.from_numpy(north.read().astype(np.float32) * 1e-4)
    water = torch.from_numpy(np.random.default_rng(0).normal([[[0.06]], [[0.02]]], 0.004, (2, 160, 192)).astype("f4"))
    spans = ((0, 160), (0, 192))
    logits = {
        engine: [
            max(
                peak_scores(
                    choose_engine(engine, "fp32", torch.device("cpu")).open(screen, batch_size=1), picture, spans, 8
                )
            )
            for picture in (image, water)
        ]
        for engine in ("torch", "openvino")
    }
    np.testing.assert_allclose(logits["openvino"], logits["torch"], atol=1e-3)
    assert logits["torch"][0] >= fitted.card.threshold > logits["torch"][1]

    stored = np.round(water.numpy() * 10_000).astype("uint16")
    with rasterio.open(
        tmp_path / "sea.tif", "w", driver="GTiff", height=160, width=192, count=2, dtype="uint16",
        crs="EPSG:32631", transform=rasterio.Affine(10, 0, 500000, 0, -10, 4000000),
    ) as dataset:  # fmt: skip
        dataset.write(stored)
        dataset.descriptions, dataset.scales = ("B03", "B08"), (1e-4, 1e-4)
    config = PredictConfig(device="cpu", engine="torch", precision="fp32")
    for path, share in ((tmp_path / "sea.tif", 1), (scenes[2], 0)):
        tiles = predict(path, model=loaded, config=config).tiles
        assert tiles.empty == share * tiles.planned


def test_a_screen_needs_training_scenes_and_held_out_scenes(model: Bundle, tmp_path: Path) -> None:
    write_scene(tmp_path, "east", seed=1)
    scenes, labels = [tmp_path / "east.tif"], [tmp_path / "east.geojson"]
    for held_out, message in ((["east"], "all scenes are held out"), (["west"], "no scene is named west")):
        with pytest.raises(GeoshipsError, match=message):
            fit_screen(model, tmp_path / "out", scenes, labels, held_out=held_out)
    with pytest.raises(GeoshipsError, match="more scenes"):
        fit_screen(model, tmp_path / "out", scenes, labels)
    assert not (tmp_path / "out").exists()


def test_card_and_bundle_must_agree_on_a_screen(model: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="geoships screen"):
        dataclasses.replace(model, screen=Screen({"weight": torch.zeros(1)}))
    card = model.card.model_copy(update={"screen": {"depth": 2, "threshold": 0.5}})
    with pytest.raises(BundleError, match="geoships screen"):
        save_bundle(tmp_path / "model", card, model.weights)
    assert not (tmp_path / "model").exists()


@given(st.integers(1, 60), st.integers(0, 1900), st.integers(1, 1900))
def test_segments_score_every_row_of_a_span_once_and_in_its_context(steps: int, start: int, length: int) -> None:
    size = 32 * steps
    start = min(start, size - 1)
    stop = min(size, start + length)
    segments = list(_segments((start, stop), size, 32))
    assert [segment.scored[0] for segment in segments] == [start, *(segment.scored[1] for segment in segments[:-1])]
    assert segments[-1].scored[1] == stop
    for segment in segments:
        (first, last), (top, bottom) = segment.computed, segment.scored
        assert (first % 32, last - first) == (0, min(SEGMENT, size))
        assert top < bottom
        assert first <= max(0, top - CONTEXT)
        assert last >= min(size, bottom + CONTEXT)
