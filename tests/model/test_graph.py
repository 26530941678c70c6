"""A bundle's graph gives the scores of PyTorch, and none of it needs PyTorch."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from fake_models import fake_card

from geoships.errors import BundleError
from geoships.model.bundle import Bundle, half_weights, load_bundle, save_bundle
from geoships.model.engines import convert
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import Device
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.upsampling import FusedUpsamplingBlock, fuse_upsampling
from geoships.model.fingerprint import fingerprint
from geoships.model.graph import Fused, Recipe, Stored, Widened, fused_kernel, made, recipe_of
from geoships.model.installed import installed
from geoships.model.networks import Architecture, build_network
from geoships.model.weights import StoredWeights, raw_tensor

onnx = pytest.importorskip("onnx")
from geoships.model.engines.graph_maker import make_graph, with_graph  # noqa: E402

CPU = Device("cpu")
CARD = {
    "geoships:network": {"decoder": "unet", "encoder": "resnet18", "options": {"decoder_channels": [16, 8, 8, 4, 4]}},
    "geoships:step": 32,
    "geoships:temperature": 1.3,
}


@pytest.fixture(scope="module")
def plain() -> Bundle:
    """A small U-Net whose running statistics and biases differ from those of a new one."""
    network = build_network(Architecture("unet", "resnet18", 1, 1, {"decoder_channels": [16, 8, 8, 4, 4]}))
    generator = torch.Generator().manual_seed(3)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + noise if name.endswith(("running_var", "weight")) and value.ndim == 1 else noise * 0.1)
    return Bundle(fake_card(**CARD), half_weights(network.state_dict()), Path("plain"))


@pytest.fixture(scope="module")
def bundle(plain: Bundle) -> Bundle:
    return replace(plain, graph=make_graph(plain))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_graph_gives_the_scores_of_pytorch(
    bundle: Bundle, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    save_bundle(tmp_path / "b.zip", bundle.card, bundle.weights, half=False, graph=bundle.graph)
    loaded = load_bundle(tmp_path / "b.zip")
    images = np.random.default_rng(1).random((1, 1, 96, 64), np.float32)
    with torch.inference_mode():
        expected = Scoring(bundle)(torch.from_numpy(images)).numpy()

    def never(_: Bundle) -> torch.nn.Module:
        raise AssertionError("the graph is enough")

    monkeypatch.setattr(Bundle, "network", never)
    opened = choose_engine(engine, "fp32", CPU).open(loaded, batch_size=1)  # type: ignore[arg-type]
    np.testing.assert_allclose(opened.collect(opened.submit(images)), expected, atol=2e-5)


def test_a_graph_holds_no_weights_of_the_network(bundle: Bundle) -> None:
    assert bundle.graph is not None
    model, recipe = bundle.graph
    assert len(model) < 150_000 < sum(value.numel() for value in bundle.weights.values())
    entries = Recipe.model_validate_json(recipe).weights
    assert {entry.part for entry in entries if isinstance(entry, Fused)} == {"kernel", "bias", "skip"}
    assert [entry.part for entry in entries if isinstance(entry, Widened)] == ["kernel", "bias"]


def test_numpy_fuses_upsampling_as_pytorch_does(plain: Bundle) -> None:
    network = plain.network()
    fused = [block for block in fuse_upsampling(network).decoder.blocks if isinstance(block, FusedUpsamplingBlock)]
    assert len(fused) == 5
    for number, block in enumerate(fused):
        for part, own in (
            ("kernel", block.upsample.weight),
            ("bias", block.upsample.bias),
            ("skip", block.skip_weight),
        ):
            name = f"decoder.blocks.{number}.conv1"
            entry = Fused(
                part=part, convolution=f"{name}.0", norm=f"{name}.1", eps=1e-5, channels=block.upsample.in_channels
            )
            np.testing.assert_allclose(made(entry, plain.weights), own.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert fused_kernel(np.ones((2, 3, 3, 3))).shape == (3, 2, 4, 4)


def test_a_graph_of_another_card_is_not_used(bundle: Bundle) -> None:
    def used(**change: object) -> bool:
        return recipe_of(replace(bundle, card=bundle.card.model_copy(update=change))) is not None

    assert used(threshold=0.9)
    assert not used(temperature=2.0)
    assert not used(network=bundle.card.network.model_copy(update={"encoder": "resnet34"}))


def test_a_graph_is_made_anew_only_where_it_has_to_be(bundle: Bundle) -> None:
    same = with_graph(replace(bundle, card=bundle.card.model_copy(update={"threshold": 0.9})))
    assert same.graph is bundle.graph
    other = with_graph(replace(bundle, card=bundle.card.model_copy(update={"temperature": 2.0})))
    assert other.graph != bundle.graph
    assert recipe_of(other) is not None


def test_a_damaged_graph_is_told_or_replaced(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    assert bundle.graph is not None
    wrong = json.loads(bundle.graph[1])
    wrong["check"] = [score + 0.1 for score in wrong["check"]]
    damaged = {
        "other scores than PyTorch": (bundle.graph[0], json.dumps(wrong).encode()),
        "is damaged": (bundle.graph[0][:500], bundle.graph[1]),
    }
    choice = choose_engine("openvino", "fp32", CPU)
    images = np.zeros((1, 1, 32, 32), np.float32)
    with pytest.raises(BundleError, match=r"recipe of its graph is damaged: .*Invalid JSON"):
        choice.open(replace(bundle, graph=(b"", b"{")), batch_size=1)
    for text, graph in damaged.items():
        engine = choice.open(replace(bundle, graph=graph), batch_size=1)  # PyTorch converts it
        assert engine.collect(engine.submit(images)).shape == (1, 32, 32)
        with monkeypatch.context() as patch:
            patch.setattr(convert, "has_torch", lambda: False)
            patch.setattr("geoships.model.engines.choose.has_torch", lambda: False)
            with pytest.raises(BundleError, match=text):
                choice.open(replace(bundle, graph=graph), batch_size=1)


def test_without_graph_and_pytorch_the_way_out_is_named(plain: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(convert, "has_torch", lambda: False)
    with pytest.raises(BundleError, match="geoships export BUNDLE --format bundle"):
        choose_engine("openvino", "fp32", CPU).open(plain, batch_size=1)


def test_every_installed_model_has_a_graph_of_its_weights() -> None:
    found = {name: recipe_of(load_bundle(name)) for name, _ in installed()}
    assert len(found) >= 4
    assert all(found.values()), found


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_stored_weights_are_those_of_pytorch(dtype: torch.dtype) -> None:
    tensors = {"a": (torch.arange(6).reshape(2, 3) / 4 - 0.5).to(dtype), "b": torch.tensor(3).to(dtype)}
    stored = StoredWeights(safetensors.torch.save(tensors))
    for name, tensor in tensors.items():
        raw = stored.raw(name)
        assert raw == raw_tensor(tensors, name)
        np.testing.assert_array_equal(raw.array(), (tensor.float() if dtype.is_floating_point else tensor).numpy())
        assert torch.equal(pickle.loads(pickle.dumps(stored))[name], tensor)
    assert ("a" in stored, "c" in stored, len(stored)) == (True, False, 2)
    card = fake_card()
    assert fingerprint(Bundle(card, stored, Path())) == fingerprint(Bundle(card, tensors, Path()))
    np.testing.assert_array_equal(made(Stored(name="a"), stored), stored.raw("a").array())


def test_loading_and_converting_an_installed_model_imports_no_pytorch() -> None:
    pytest.importorskip("openvino")
    code = """
import sys
from geoships.model.bundle import load_bundle
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import choose_device
choose_engine("openvino", "auto", choose_device("cpu")).open(load_bundle(), batch_size=1)
print([name for name in ("torch", "pandas", "geopandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
