"""Engines other than PyTorch: the same scores, converted once."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import FakeBundle, fake_card, fake_classifier
from tiny_network import TinyBundle, tiny_bundle

from geoships.errors import BundleError, DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines import sessions, torch_convert
from geoships.model.engines.cache import cache_folder, cached
from geoships.model.engines.choose import EngineCache, EngineName, Precision, choose_engine
from geoships.model.engines.converted import ConversionError
from geoships.model.engines.device import Device
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.torch import TorchEngine
from geoships.model.engines.torch_convert import example_image
from geoships.model.fingerprint import fingerprint

CPU = Device("cpu")


class SizeBound(torch.nn.Module):
    """Its output depends on the image size, which a trace fixes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1] * float(images.shape[2])


class SizeBoundBundle(FakeBundle):
    def network(self) -> torch.nn.Module:
        return SizeBound()


def scores(
    bundle: Bundle, images: torch.Tensor, engine: EngineName, precision: Precision, views: int = 1
) -> np.ndarray:
    opened = choose_engine(engine, precision, CPU).open(bundle, batch_size=2, views=views)  # type: ignore[arg-type]
    return opened.collect(opened.submit(images.numpy()))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "geoships"


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize("views", [1, 8])
def test_engines_give_the_scores_of_pytorch(engine: EngineName, views: int) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    bundle = tiny_bundle()
    images = torch.rand(3, 2, 16, 24)
    expected = scores(bundle, images, "torch", "fp32", views)
    found = scores(bundle, images, engine, "fp32", views)
    assert found.dtype == np.float32
    assert found.std() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "openvino", "onnx"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_engines_score_several_classes(engine: EngineName, activation: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    classes = [{"value": value, "name": name} for value, name in enumerate(("ship", "cloud", "ice"), 1)]
    output = [{"classification:classes": classes}]
    bundle = tiny_bundle(**{"mlm:output": output, "geoships:activation": activation})
    images = torch.rand(3, 2, 16, 24)
    with torch.inference_mode():
        logits = bundle.network()(torch.stack([recipe(images[:, band], band) for band in (0, 1)], 1)) / 1.7
    if activation == "softmax":
        expected = torch.cat((torch.zeros(3, 1, 16, 24), logits), 1).softmax(1)[:, 1:]
    else:
        expected = logits.sigmoid()
    found = scores(bundle, images, engine, "fp32")
    assert found.shape == (3, 3, 16, 24)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(  # each view is turned back
        scores(bundle, images, engine, "fp32", 8), scores(bundle, images, "torch", "fp32", 8), atol=1e-5
    )


def recipe(band: torch.Tensor, number: int) -> torch.Tensor:
    """The normalisation of `tiny_bundle`, written out."""
    return (band.sqrt() - (0.2, 0.4)[number]) / (0.1, 0.2)[number]


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_engines_score_chips(engine: EngineName) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    bundle = fake_classifier()
    chips = torch.rand(5, 1, 32, 32) * 0.2
    expected = scores(bundle, chips, "torch", "fp32", 8)
    assert expected.shape == (5,)
    np.testing.assert_allclose(scores(bundle, chips, engine, "fp32", 8), expected, atol=1e-5)


@pytest.mark.parametrize(("instructions", "precision"), [({"avx512_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32")])
def test_pytorch_computes_in_bfloat16_only_where_the_cpu_does(
    instructions: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    assert choose_engine("torch", "auto", CPU).precision == precision


def test_bfloat16_scores_are_close_to_float32() -> None:
    pytest.importorskip("openvino")
    if not sessions.openvino_has_bf16():
        pytest.skip("this CPU has no instructions for bfloat16")
    images = torch.rand(1, 2, 32, 32)
    difference = scores(tiny_bundle(), images, "openvino", "bf16") - scores(tiny_bundle(), images, "torch", "fp32")
    assert 0 < abs(difference).max() < 0.02


def test_a_second_run_builds_no_network(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    images = torch.rand(1, 2, 16, 16)
    first = scores(tiny_bundle(), images, "openvino", "fp32")

    def never(_: Bundle) -> torch.nn.Module:
        raise AssertionError("the converted network is in the cache")

    monkeypatch.setattr(TinyBundle, "network", never)
    np.testing.assert_array_equal(scores(tiny_bundle(), images, "openvino", "fp32"), first)
    assert [path.name.partition("-")[0] for path in own_cache.iterdir()] == ["openvino"]


def test_the_fingerprint_tells_weights_and_recipes_apart() -> None:
    same = [
        fingerprint(Bundle(fake_card(**card), weights, Path(path)))
        for path in ("here", "there")
        for card in ({}, {"geoships:temperature": 2.0}, {"geoships:threshold": 0.7})
        for weights in ({"a": torch.zeros(2)}, {"a": torch.ones(2)}, {"a": torch.zeros(2).half()})
    ]
    assert len(set(same)) == 6  # place and threshold change nothing that is computed


def test_a_network_that_depends_on_the_image_size_falls_back_to_pytorch() -> None:
    pytest.importorskip("openvino")
    bundle = SizeBoundBundle(fake_card(**{"geoships:step": 4}), {}, Path("fake"))
    images = torch.rand(1, 1, 20, 20)
    with pytest.raises(ConversionError, match=r"gives other scores.*--engine torch"):
        scores(bundle, images, "openvino", "fp32")
    np.testing.assert_allclose(scores(bundle, images, "auto", "fp32"), (images[:, 0] * 20).sigmoid(), rtol=1e-6)


def test_unsupported_combinations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Device("cuda", 0)
    for engine, precision, device, text in (
        ("onnx", "bf16", CPU, "float32"),
        ("torch", "int8", CPU, "--engine openvino"),
        ("openvino", "fp32", cuda, "--device cpu"),
        ("auto", "int8", cuda, "--device cpu"),
    ):
        with pytest.raises(DeviceError, match=text):
            choose_engine(engine, precision, device)
    with pytest.raises(BundleError, match="geoships quantize"):
        scores(tiny_bundle(), torch.rand(1, 2, 16, 16), "auto", "int8")
    monkeypatch.setattr("geoships.model.engines.choose.has_openvino", lambda: False)
    assert choose_engine("auto", "fp32", CPU).engine == "torch"
    with pytest.raises(DeviceError, match="pip install openvino"):
        choose_engine("openvino", "auto", CPU)


@pytest.mark.parametrize(
    ("name", "flags", "fast"),
    [
        ("AMD EPYC", "avx512_bf16", True),
        ("Intel(R) Xeon(R) Processor", "avx512_bf16 avx512_fp16", False),
        ("Intel(R) Xeon(R) Processor", "avx512_bf16 amx_bf16 amx_tile", True),
        ("Intel(R) Xeon(R) Processor", None, True),
    ],
    ids=["AMD", "Intel", "Intel with AMX", "a system that does not tell"],
)
def test_auto_takes_bfloat16_where_openvino_is_faster_at_it(
    name: str, flags: str | None, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino")
    answers = {"FULL_DEVICE_NAME": name, "OPTIMIZATION_CAPABILITIES": ["FP32", "BF16"]}
    monkeypatch.setattr(openvino.Core, "get_property", lambda _core, _device, key: answers[key])
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr("geoships.model.engines.device.CPU_INFO", tmp_path / "cpuinfo")
    assert choose_engine("openvino", "auto", CPU).precision == ("bf16" if fast else "fp32")
    assert choose_engine("openvino", "bf16", CPU).precision == "bf16"


def test_without_bfloat16_auto_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    for name in ("openvino_has_bf16", "openvino_has_fast_bf16"):
        monkeypatch.setattr(f"geoships.model.engines.choose.{name}", lambda: False)
    assert choose_engine("auto", "auto", CPU).precision == "fp32"
    assert choose_engine("auto", "bf16", CPU).engine == "torch"
    with pytest.raises(DeviceError, match="--precision auto"):
        choose_engine("openvino", "bf16", CPU)


def test_each_shape_is_compiled_once() -> None:
    shapes = []

    def opened(shape: tuple[int, ...]) -> sessions.Session:
        shapes.append(shape)
        return lambda image: image[:, 0]

    engine = sessions.SessionEngine(opened, batch_size=4, views=8)
    images = torch.rand(3, 1, 4, 6)
    for _ in range(2):
        np.testing.assert_allclose(engine.collect(engine.submit(images.numpy())), images[:, 0], rtol=1e-6)
    assert shapes == [(1, 1, 4, 6), (1, 1, 6, 4)]


def test_too_little_memory_is_a_clear_error() -> None:
    def full(_: tuple[int, ...]) -> sessions.Session:
        raise RuntimeError("std::bad_alloc")

    engine = sessions.SessionEngine(full, batch_size=1)
    with pytest.raises(DeviceError, match="--tile-size"):
        engine.collect(engine.submit(np.zeros((1, 1, 4, 4), np.float32)))


def test_a_cached_folder_appears_complete_and_once_for_all_threads(own_cache: Path) -> None:
    together = threading.Barrier(4)

    def make(folder: Path) -> None:
        (folder / "a").write_text("a")
        together.wait(10)
        (folder / "b").write_text("b")

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(cached("key", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache_folder() == own_cache
    assert found == [own_cache / "key"] * 4
    assert [path.name for path in own_cache.iterdir()] == ["key"]
    assert sorted(path.name for path in (own_cache / "key").iterdir()) == ["a", "b"]

    def broken(folder: Path) -> None:
        (folder / "a").write_text("a")
        raise ConversionError("no")

    with pytest.raises(ConversionError):
        cached("other", broken)
    assert [path.name for path in own_cache.iterdir()] == ["key"]


def test_without_a_cache_folder_the_model_is_converted_for_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = cached("key", lambda path: (path / "a").touch())
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert tmp_path not in folder.parents


def test_the_example_image_fits_the_network() -> None:
    assert example_image(tiny_bundle()).shape == (1, 2, 8, 12)
    assert example_image(fake_classifier()).shape == (1, 1, 32, 32)
    assert torch.equal(example_image(tiny_bundle()), example_image(tiny_bundle()))
    expected = TorchEngine(tiny_bundle(), device=CPU, bf16=False, batch_size=1)
    image = example_image(tiny_bundle())
    np.testing.assert_allclose(
        Scoring(tiny_bundle())(image), expected.collect(expected.submit(image.numpy())), rtol=1e-6
    )


def test_import_errors_are_not_turned_into_conversion_errors() -> None:
    with pytest.raises(ImportError), torch_convert.conversion_errors(torch.nn.Identity(), "ONNX"):
        raise ImportError("onnx")


def test_the_engine_cache_opens_one_engine_for_a_model_and_settings() -> None:
    cache, choice, bundle = EngineCache(), choose_engine("torch", "fp32", CPU), tiny_bundle()
    first = cache.open(choice, bundle, batch_size=2)
    assert cache.open(choice, bundle, batch_size=2) is first
    for other in (cache.open(choice, bundle, batch_size=3), cache.open(choice, bundle, batch_size=2, views=4)):
        assert other is not first
    assert cache.open(choice, bundle, batch_size=2) is not first  # two stay open, and it was not one of the last two
    shapes = [cache.open(choice, bundle, batch_size=2, shape=(side, 16)) for side in (16, 32, 16)]
    assert shapes[0] is shapes[2]
    assert shapes[0] is not shapes[1]
    another = tiny_bundle(**{"geoships:temperature": 5.0})
    images = torch.rand(2, 2, 16, 16)
    found = cache.open(choice, another, batch_size=2)
    np.testing.assert_allclose(found.collect(found.submit(images.numpy())), scores(another, images, "torch", "fp32"))
