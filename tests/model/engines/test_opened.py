"""Engines that stay open in a process."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from fake_models import BrightnessEngine, fake_bundle
from scenes import ship_scene
from tiny_network import tiny_bundle

from geoships import load_bundle, predict
from geoships.model.bundle import Bundle
from geoships.model.engines.choose import EngineChoice, choose_engine
from geoships.model.engines.device import Device
from geoships.model.engines.opened import OPEN_ENGINES, OpenEngines
from geoships.model.engines.sessions import KEPT_SHAPES, OpenvinoSession, SessionEngine

CHOICE = choose_engine("torch", "fp32", Device("cpu"))


class Counted(BrightnessEngine):
    """Counts how often it had to give its memory back."""

    released = 0

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Counted]:
    """Replaces engines by fake ones, and lists them."""
    engines: list[Counted] = []

    def open_fake(*_: object, batch_size: int, **__: object) -> Counted:
        engines.append(Counted(batch_size))
        return engines[-1]

    monkeypatch.setattr(EngineChoice, "open", open_fake)
    return engines


def plain_bundle(**card: object) -> Bundle:
    tiny = tiny_bundle(**card)
    return Bundle(tiny.card, tiny.weights, tiny.path)


def test_a_model_of_the_same_weights_and_settings_is_opened_once(opened: list[Counted]) -> None:
    engines = OpenEngines()
    with engines.use(CHOICE, plain_bundle(), batch_size=2) as first:
        with engines.use(CHOICE, plain_bundle(), batch_size=2) as second:
            assert second is first
        assert opened[0].released == 0  # another run uses it
    assert opened[0].released == 1
    for settings in ({"batch_size": 3}, {"batch_size": 2, "views": 4}):
        with engines.use(CHOICE, plain_bundle(), **settings) as other:
            assert other is not first
    with engines.use(CHOICE, plain_bundle(**{"geoships:temperature": 5.0}), batch_size=2) as other:
        assert other is not first


def test_the_engine_that_was_not_used_for_longest_is_closed(opened: list[Counted]) -> None:
    engines, bundle = OpenEngines(kept=2), plain_bundle()
    for size in (1, 2, 1, 3, 1):
        with engines.use(CHOICE, bundle, batch_size=size):
            pass
        assert len(engines) <= 2
    assert [engine.batch_size for engine in opened] == [1, 2, 3]


def test_an_engine_that_ran_out_of_memory_is_opened_anew(opened: list[Counted]) -> None:
    engines, bundle = OpenEngines(), plain_bundle()
    with engines.use(CHOICE, bundle, batch_size=4) as engine:
        engine.batch_size = 2
    with engines.use(CHOICE, bundle, batch_size=4) as engine:
        assert engine.batch_size == 4
    assert len(opened) == 2


@pytest.mark.usefixtures("opened")
def test_a_bundle_with_a_network_of_its_own_is_not_kept() -> None:
    engines = OpenEngines()
    with engines.use(CHOICE, fake_bundle(), batch_size=1):
        assert len(engines) == 0


def test_two_predictions_share_an_engine_and_find_the_same(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (64, 96), bands=("B02", "B03", "B04", "B08", "B11"))
    bundle = load_bundle()
    options = {"model": bundle, "device": "cpu", "engine": "torch", "return_scores": "array", "screen": False}
    first, second = (predict(tmp_path / "scene.tif", **options).scores for _ in range(2))  # type: ignore[call-overload]
    np.testing.assert_array_equal(first, second)
    assert len(OPEN_ENGINES) == 1


def test_an_engine_that_nobody_uses_keeps_its_last_shapes_without_their_memory() -> None:
    released: list[tuple[int, ...]] = []

    class Session(OpenvinoSession):
        def __init__(self, shape: tuple[int, ...]) -> None:
            self.shape = shape

        def __call__(self, image: np.ndarray) -> np.ndarray:
            return image[:, 0]

        def release(self) -> None:
            released.append(self.shape)

    shapes = []

    def open_session(shape: tuple[int, ...]) -> Session:
        shapes.append(shape)
        return Session(shape)

    engine = SessionEngine(open_session, batch_size=1)
    for side in (8, 16, 24):
        engine.collect(engine.submit(np.zeros((1, 1, side, side), np.float32)))
    engine.release()
    for _ in range(100):
        if len(released) == KEPT_SHAPES:
            break
        time.sleep(0.01)
    assert released == [(1, 1, 16, 16), (1, 1, 24, 24)]
    for side in (8, 24):
        engine.collect(engine.submit(np.zeros((1, 1, side, side), np.float32)))
    assert [shape[-1] for shape in shapes] == [8, 16, 24, 8]
