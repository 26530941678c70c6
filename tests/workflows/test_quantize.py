"""int8 variants: what they cost is known before they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import fake_classifier
from scenes import ship_scene
from tiny_network import TinyBundle, tiny_bundle

from geoships.config import PredictConfig
from geoships.errors import BundleError
from geoships.model.bundle import load_bundle
from geoships.model.engines.choose import choose_engine
from geoships.workflows import quantize as module
from geoships.workflows.quantize import quantize

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def variant() -> TinyBundle:
    pytest.importorskip("nncf")
    bundle = tiny_bundle()
    images = [np.random.default_rng(seed).random((1, 2, 32, 32), np.float32) for seed in range(8)]
    return replace(bundle, int8=module._quantize_network(bundle, images))


def test_int8_scores_are_close_to_fp32(variant: TinyBundle) -> None:
    images = torch.rand(2, 2, 32, 32)
    opened = [choose_engine("auto", precision, CPU).open(variant, batch_size=2) for precision in ("fp32", "int8")]
    fp32, int8 = (engine.collect(engine.submit(images)) for engine in opened)
    assert 0 < abs(int8 - fp32).max() < 0.1
    assert b"FakeQuantize" in variant.int8[0]


def test_an_int8_variant_of_other_weights_is_an_error(variant: TinyBundle) -> None:
    card = variant.card.model_copy(update={"temperature": 3.0})
    with pytest.raises(BundleError, match="make it again"):
        choose_engine("auto", "int8", CPU).open(replace(variant, card=card), batch_size=1)


def test_the_written_bundle_has_the_int8_variant(
    variant: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_quantize_network", lambda *_: variant.int8)
    ship_scene(tmp_path / "scene.tif")
    config = PredictConfig(bands=(1, 1), device="cpu")
    for name in ("out", "out.zip"):
        result = quantize(tiny_bundle(), tmp_path / name, [tmp_path / "scene.tif"], config=config)
        assert (result.tiles, result.f1) == (1, None)
        assert "not evaluated" in str(result)
        assert load_bundle(tmp_path / name).int8 == variant.int8


@pytest.mark.parametrize(("loss", "accepted"), [(0.004, True), (0.006, False)])
def test_a_variant_that_loses_more_than_half_a_point_is_not_written(
    loss: float, accepted: bool, variant: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeEvaluation:
        def __init__(self, *_: object, config: PredictConfig, **__: object) -> None:
            f1 = 0.8 - (loss if config.precision == "int8" else 0)
            self.figures = {"all": {"ships": {"touched": {"f1": f1}}}}

    monkeypatch.setattr(module, "evaluate", FakeEvaluation)
    monkeypatch.setattr(module, "_quantize_network", lambda *_: variant.int8)
    for name in ("scene.tif", "other.tif"):
        ship_scene(tmp_path / name)

    def run() -> None:
        quantize(
            tiny_bundle(), tmp_path / "out", [tmp_path / "scene.tif"], scenes=[tmp_path / "other.tif"],
            labels=["other.geojson"],
            config=PredictConfig(bands=(1, 1), device="cpu"),
        )  # fmt: skip

    if accepted:
        run()
    else:
        with pytest.raises(BundleError, match=r"from 0\.800 to 0\.794"):
            run()
    assert (tmp_path / "out").exists() == accepted


def test_calibration_scenes_cannot_be_evaluation_scenes(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="evaluate on other scenes"):
        quantize(tiny_bundle(), tmp_path / "out", ["a.tif", "b.tif"], scenes=["./b.tif"], labels=["b.geojson"])
    with pytest.raises(BundleError, match="classifier"):
        quantize(fake_classifier(), tmp_path / "out", ["a.tif"])
