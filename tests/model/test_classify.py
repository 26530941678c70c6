from pathlib import Path

import numpy as np
import pytest
from labelled_chips import make_chip
from scenes import ship_scene

from geoships import BundleError, PredictConfig, predict
from geoships.model.bundle import load_bundle
from geoships.model.classify import classify
from geoships.model.installed import DEFAULT_BUNDLE


def test_the_installed_classifier_is_complete_and_not_the_default() -> None:
    card = load_bundle("chips-rgb3m").card
    assert (card.is_classifier, card.gsd, card.bands) == (True, 3.0, ("red", "green", "blue"))
    assert card.licence == "CC-BY-SA-4.0"
    assert card.metrics[0]["figures"]["accuracy"] > 0.99
    assert DEFAULT_BUNDLE == "sentinel2-5band" == load_bundle().card.name
    assert not load_bundle().card.is_classifier


def test_the_classifier_tells_a_ship_from_water() -> None:
    ship = make_chip(1, ship=True, size=80).transpose(2, 0, 1) / np.float32(255)
    water = np.random.default_rng(1).normal(0.3, 0.02, (3, 80, 80)).astype(np.float32)
    scores = classify(load_bundle("chips-rgb3m"), [ship, water], device="cpu")
    assert scores[0] > 0.5 > scores[1]


def test_the_classifier_is_refused_for_scenes(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    with pytest.raises(BundleError, match="chips-rgb3m is a classifier of chips"):
        predict(tmp_path / "scene.tif", config=PredictConfig(model="chips-rgb3m"))
