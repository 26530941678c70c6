import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from fake_models import fake_card, fake_classifier

from geoships.errors import BundleError
from geoships.model.bundle import Bundle, load_bundle, save_bundle
from geoships.model.card import Network
from geoships.model.installed import DEFAULT_BUNDLE, installed
from geoships.model.networks import Architecture, build_classifier, build_network, load_encoder

SMALL = {"decoder": "unet", "encoder": "tu-mobilenetv3_small_050", "options": {"decoder_channels": (16, 16, 8, 8, 8)}}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    card = fake_card(bands=("red", "nir"), **{"geoships:network": SMALL})
    network = build_network(Architecture("unet", SMALL["encoder"], 2, 1, SMALL["options"]))
    return Bundle(card, network.state_dict(), Path("made here"))


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_saved_bundle_loads_again(name: str, bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / name, bundle.card, bundle.weights, half=False)
    loaded = load_bundle(tmp_path / name)
    assert loaded.card.to_json() == bundle.card.to_json()
    images = torch.rand(1, 2, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network()(images), bundle.network()(images))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def verifier() -> Bundle:
    card = fake_classifier(bands=("nir", "red")).card.model_copy(
        update={"network": Network(decoder="classifier", encoder="resnet10t")}
    )
    return Bundle(card, build_classifier(Architecture("", "resnet10t", 2)).state_dict(), Path("made here, too"))


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_verifier_is_saved_and_loaded_with_its_model(
    name: str, bundle: Bundle, verifier: Bundle, tmp_path: Path
) -> None:
    card = bundle.card.model_copy(update={"verify": True})
    save_bundle(tmp_path / name, card, bundle.weights, half=False, verifier=verifier)
    loaded = load_bundle(tmp_path / name)
    assert loaded.card.verify and json.loads(loaded.card.to_json())["geoships:verify"] is True
    assert loaded.verifier is not None and loaded.verifier.verifier is None
    assert loaded.verifier.card.to_json() == verifier.card.to_json()
    assert loaded.verifier.path == tmp_path / name / "verifier"
    images = torch.rand(1, 2, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network()(images), bundle.network()(images))
        torch.testing.assert_close(loaded.verifier.network()(images), verifier.network()(images))
    save_bundle(tmp_path / name, bundle.card, bundle.weights)
    assert load_bundle(tmp_path / name).verifier is None


def test_a_zip_may_hold_the_bundle_in_a_folder_of_any_name(bundle: Bundle, verifier: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "model", bundle.card, bundle.weights, verifier=verifier)
    for folder in ("", "ships/", "verifier/", "./"):
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
            for path in (tmp_path / "model").rglob("*.*"):
                archive.write(path, folder + path.relative_to(tmp_path / "model").as_posix())
        loaded = load_bundle(tmp_path / "model.zip")
        assert loaded.card.name == bundle.card.name
        assert loaded.verifier is not None and loaded.verifier.card.name == verifier.card.name
    with zipfile.ZipFile(tmp_path / "model.zip", "a") as archive:
        archive.writestr("other/model.json", "{}")
    with pytest.raises(BundleError, match=r"expected one file model\.json in it, got 2"):
        load_bundle(tmp_path / "model.zip")


def test_errors_name_a_damaged_verifier(bundle: Bundle, verifier: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "model", bundle.card, bundle.weights, verifier=verifier)
    (tmp_path / "model" / "verifier" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"verifier/model\.safetensors: the weights are damaged"):
        load_bundle(tmp_path / "model")
    (tmp_path / "model" / "verifier" / "model.json").unlink()
    with pytest.raises(BundleError, match=r"it has no verifier/model\.json"):
        load_bundle(tmp_path / "model")


def test_half_precision_halves_the_file(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "half", bundle.card, bundle.weights)
    save_bundle(tmp_path / "full", bundle.card, bundle.weights, half=False)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    assert next(load_bundle(tmp_path / "half").network().parameters()).dtype == torch.float32


def test_a_pickle_is_never_loaded(bundle: Bundle, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    save_bundle(tmp_path / "model", bundle.card, bundle.weights)
    (tmp_path / "model" / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleError, match="damaged"):
        load_bundle(tmp_path / "model")
    assert not (tmp_path / "sprung").exists()


def test_errors_name_damaged_bundles(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle"):
        load_bundle(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"it has no model\.json"):
        load_bundle(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(BundleError, match=r"text\.zip"):
        load_bundle(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BundleError, match=r"expected one file model\.json in it, got 0"):
        load_bundle(tmp_path / "other.zip")


def test_errors_name_wrong_fields_of_a_card(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "model", bundle.card, bundle.weights)
    path = tmp_path / "model" / "model.json"
    card = json.loads(path.read_text())
    card["geoships:threshold"] = 3
    card["mlm:input"][0]["bands"].append("green")
    path.write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"geoships:threshold.*|.*3 bands, 2 value scalings"):
        load_bundle(tmp_path / "model")


def test_weights_that_do_not_fit_are_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="do not fit"):
        Bundle(bundle.card, dict(list(bundle.weights.items())[:-3]), Path("cut")).network()
    with pytest.raises(BundleError, match="choose a decoder and an encoder"):
        build_network(Architecture("unet", "resnet1000", 3))


def test_rgb_encoder_weights_are_copied_to_a_five_band_encoder() -> None:
    options = SMALL["options"]
    three = build_network(Architecture("unet", SMALL["encoder"], 3, 1, options)).get_submodule("encoder").state_dict()
    network = build_network(Architecture("unet", SMALL["encoder"], 5, 1, options))
    load_encoder(network, three, rgb=(2, 1, 0))
    stems = next(iter(network.get_submodule("encoder").state_dict().values())), next(iter(three.values()))
    torch.testing.assert_close(stems[0][:, 2], stems[1][:, 0] * 3 / 5)
    torch.testing.assert_close(stems[0][:, 4], stems[1].mean(dim=1) * 3 / 5)


def test_the_installed_model_is_complete() -> None:
    assert DEFAULT_BUNDLE in dict(installed())
    bundle = load_bundle()
    assert bundle.card.bands == ("blue", "green", "red", "nir", "swir16")
    assert bundle.card.licence
    assert bundle.card.training_data[0]["license"]
    with torch.inference_mode():
        assert bundle.network()(torch.zeros(1, 5, 64, 64)).shape == (1, 1, 64, 64)
    trainable = sum(parameter.numel() for parameter in bundle.network().parameters())
    assert trainable == bundle.card.total_parameters


@pytest.mark.parametrize("decoder", ["unet", "classifier"])
@pytest.mark.parametrize(
    ("encoder", "options", "message"),
    [
        ("hf-hub:someone/something", {}, "timm has no network of that name"),
        ("local-dir:/tmp", {}, "timm has no network of that name"),
        ("resnet10t", {"checkpoint_path": "weights.pth"}, "checkpoint_path open other files"),
        ("resnet10t", {"pretrained": True, "cache_dir": "."}, "cache_dir, pretrained open other files"),
    ],
)
def test_a_card_cannot_make_timm_download_or_unpickle(decoder: str, encoder: str, options: dict, message: str) -> None:
    build = build_network if decoder == "unet" else build_classifier
    name = f"tu-{encoder}" if decoder == "unet" else encoder
    with pytest.raises(BundleError, match=message):
        build(Architecture(decoder, name, 3, options=options))
