"""Exported models, run as other programs run them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import fake_classifier
from tiny_network import tiny_bundle

from geoships.errors import BundleError, OutputError
from geoships.model.engines.scoring import Scoring
from geoships.model.export import export_model
from geoships.workflows.export import export

SCALE, OFFSET = 1e-4, -0.1  # of Sentinel-2's stored values since 2022


def deepness(stored: np.ndarray, meta: dict[str, str]) -> np.ndarray:
    """The model input that Deepness makes from a tile (rows, columns, bands) of stored values."""
    mean, std = (np.array(json.loads(meta[f"standardization_{name}"])) for name in ("mean", "std"))
    return np.float32((stored * 1.0 / 255 - mean) / std).transpose(2, 0, 1)[None]


def test_onnx_runs_in_onnxruntime_as_deepness_runs_it(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    bundle = tiny_bundle(**{"geoships:threshold": 0.35, "geoships:halo": 5})
    assert export(bundle, tmp_path / "m.onnx", "onnx", size=32, scale=SCALE, offset=OFFSET) == [tmp_path / "m.onnx"]
    session = runtime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    entry, result = session.get_inputs()[0], session.get_outputs()[0]
    assert (entry.shape[1:], result.shape[1:]) == ([2, 32, 32], [1, 32, 32])
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta["model_type"]) == "Segmentor"
    assert json.loads(meta["class_names"]) == {"0": "background", "1": "ship"}
    assert [float(json.loads(meta[key])) for key in ("resolution", "tile_size", "tiles_overlap", "seg_thresh")] == [
        1000, 32, 32, 0.35,
    ]  # fmt: skip
    stored = np.random.default_rng(1).integers(900, 5000, (32, 32, 2))
    found = session.run(None, {entry.name: deepness(stored, meta)})[0]
    reflectance = torch.from_numpy(np.float32(stored * SCALE + OFFSET).transpose(2, 0, 1)[None])
    np.testing.assert_allclose(found[:, 0], Scoring(bundle)(reflectance), atol=1e-5)
    assert session.run(None, {entry.name: np.zeros((3, 2, 32, 32), np.float32)})[0].shape == (3, 1, 32, 32)


def test_the_greater_of_two_channels_is_the_class() -> None:
    runtime = pytest.importorskip("onnxruntime")
    bundle, images = tiny_bundle(), torch.rand(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = Scoring(bundle)(images).flatten().sort().values[300:700]
    gap = int(scores.diff().argmax())  # the two engines round alike beside the widest gap
    middle = float(scores[gap : gap + 2].mean())
    bundle = replace(bundle, card=bundle.card.model_copy(update={"threshold": middle}))
    model = export_model(bundle, "onnx", size=32, background=True)[".onnx"]
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    chosen = session.run(None, {"image": images.numpy()})[0].argmax(axis=1)
    expected = (Scoring(bundle)(images) > middle).numpy()
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(chosen == 1, expected)


def test_openvino_accepts_any_size_and_holds_the_metadata(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    bundle = tiny_bundle()
    files = export(bundle, tmp_path / "m.xml", "openvino")
    assert files == [tmp_path / "m.bin", tmp_path / "m.xml"]
    model = openvino.Core().read_model(tmp_path / "m.xml")
    assert json.loads(model.get_rt_info(["geoships", "bands"]).astype(str)) == ["red", "nir"]
    images = torch.rand(2, 2, 24, 16)
    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images.numpy())[0]
    np.testing.assert_allclose(found, Scoring(bundle)(images), atol=1e-5)


def test_an_exported_program_runs_with_torch_alone(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    export(bundle, tmp_path / "m.pt2", "torch-export", size=32)
    extra = {"geoships.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()
    images = torch.rand(3, 2, 32, 32)
    torch.testing.assert_close(program(images)[:, 0], Scoring(bundle)(images))
    assert json.loads(extra["geoships.json"])["bands"] == ["red", "nir"]
    assert zipfile.is_zipfile(tmp_path / "m.pt2")


def test_a_classifier_is_exported_with_the_size_of_its_chips() -> None:
    runtime = pytest.importorskip("onnxruntime")
    bundle = fake_classifier()
    session = runtime.InferenceSession(export_model(bundle, "onnx")[".onnx"], providers=["CPUExecutionProvider"])
    chips = torch.rand(4, 1, 32, 32) * 0.2
    np.testing.assert_allclose(session.run(None, {"image": chips.numpy()})[0], Scoring(bundle)(chips), atol=1e-5)
    assert "model_type" not in session.get_modelmeta().custom_metadata_map


def test_an_export_that_fails_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"ends in \.onnx"):
        export(tiny_bundle(), tmp_path / "m.xml", "onnx")
    with pytest.raises(BundleError, match="multiples of 4"):
        export(tiny_bundle(), tmp_path / "m.onnx", "onnx", size=33)
    with pytest.raises(OutputError, match="does not exist"):
        export(tiny_bundle(), tmp_path / "no" / "m.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []
