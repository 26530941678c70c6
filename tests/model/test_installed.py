from pathlib import Path

import pytest
from fake_models import fake_card

from geoships.errors import BundleError, SceneError
from geoships.model import installed as installed_models
from geoships.model.bundle import save_bundle
from geoships.model.installed import choose_model
from geoships.scene.bands import BandDescription

MODELS = {
    "sentinel2-5band": {
        "bands": ("blue", "green", "red", "nir"),
        "geoships:optional_bands": ("blue", "green", "red", "nir"),
        "geoships:gsd_range": (6, 15),
    },
    "optical": {"bands": ("red", "green", "blue"), "geoships:gsd_range": (2, 6)},
    "chips": {"bands": ("red",), "mlm:tasks": ("classification",)},
}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, card in MODELS.items():
        save_bundle(tmp_path / name, fake_card(**{"mlm:name": name, **card}), {})
    monkeypatch.setattr(installed_models, "installed", lambda: [(name, tmp_path / name) for name in MODELS])


def bands(*names: str) -> list[BandDescription]:
    return [BandDescription(number, name) for number, name in enumerate(names, 1)]


@pytest.mark.parametrize(
    ("names", "pixel_size", "model"),
    [
        (["B02", "B03", "B04", "B08", "B11"], 10, "sentinel2-5band"),
        (["B02", "B03", "B04", "B08"], 3, "sentinel2-5band"),
        (["red", "green", "blue"], 10, "optical"),
        (["red", "green", "blue"], None, "optical"),
        (["nir"], 3, "sentinel2-5band"),
        (["green", "red"], 3, "sentinel2-5band"),
    ],
)
def test_the_model_that_uses_most_bands_is_chosen(names: list[str], pixel_size: float | None, model: str) -> None:
    assert choose_model(bands(*names), pixel_size).path.name == model


@pytest.mark.parametrize(("pixel_size", "model"), [(10, "sentinel2-5band"), (3, "optical"), (None, "sentinel2-5band")])
def test_pixel_size_decides_between_models_with_the_same_bands(
    pixel_size: float | None, model: str, tmp_path: Path
) -> None:
    card = fake_card(**{"mlm:name": "optical", **MODELS["optical"], "bands": ("blue", "green", "red", "nir")})
    save_bundle(tmp_path / "optical", card, {})
    assert choose_model(bands("blue", "green", "red", "nir"), pixel_size).path.name == model


def test_bands_named_by_the_user_decide_the_model() -> None:
    nameless = [BandDescription(number) for number in (1, 2, 3)]
    assert choose_model(nameless, 10, (1, 2, 3)).path.name == "optical"
    assert choose_model(nameless, 10, (3, 2, 1, "-")).path.name == "sentinel2-5band"


def test_a_scene_without_the_bands_of_any_model_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SceneError, match="the model needs the bands blue, green, red, nir"):
        choose_model(bands("swir22", "coastal"), 10)
    monkeypatch.setattr(installed_models, "installed", list)
    with pytest.raises(BundleError, match="no model for scenes"):
        choose_model(bands("red"), 10)
