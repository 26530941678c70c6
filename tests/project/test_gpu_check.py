"""scripts/gpu_check.py: the whole check at a tiny size, and what counts as other ships."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from shapely import box

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def check() -> Iterator[ModuleType]:
    path = PROJECT / "scripts" / "gpu_check.py"
    spec = importlib.util.spec_from_file_location("gpu_check", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_check"]


def test_the_whole_check_runs_on_the_cpu_and_says_so(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    monkeypatch.setattr(check, "SEEDS", (7, 8))
    monkeypatch.setattr(check, "_precisions", lambda _: ["fp32"])
    monkeypatch.setattr(
        sys, "argv",
        ["gpu_check.py", "--device", "cpu", "--size", "224", "--seconds", "0", "--train-seconds", "0.5",
         "--out", str(report)],
    )  # fmt: skip
    check.main()
    text = report.read_text()
    assert capsys.readouterr().out == text
    assert "NO GPU FOUND" in text
    assert text.count("| openvino, fp32, cpu |") == 2
    assert "| NO |" not in text
    assert "| precision | upload | compute | download | blend | all |" in text
    assert "crops of 192 x 192 in 0 s" in text


def prediction(scores: np.ndarray, *ships: tuple[int, int, int, int]) -> SimpleNamespace:
    outlines = SimpleNamespace(geometry=[box(*ship) for ship in ships])
    return SimpleNamespace(scores=scores, ships=outlines, scene="scene.tif", threshold=0.5)


def test_scores_and_outlines_beyond_the_tolerance_do_not_agree(check: ModuleType) -> None:
    scores = np.full((20, 20), np.nan, np.float32)
    scores[:, :10] = 0.0
    scores[5:15, 2:8] = 0.9
    expected = prediction(scores, (2, 5, 8, 15))
    same = check._compared("torch", "fp32", expected, prediction(scores + 0.01, (2, 5, 8, 15)))
    assert same.agrees
    assert (same.pixels, same.same, same.turned) == (60, 1, 0)
    assert same.difference == pytest.approx(0.01, abs=1e-5)
    assert not check._compared("torch", "fp32", expected, prediction(scores - 0.05, (2, 5, 8, 15))).agrees
    assert not check._compared("torch", "fp32", expected, prediction(scores, (2, 5, 8, 11))).agrees
    assert not check._compared("torch", "fp32", expected, prediction(scores)).agrees
    added = prediction(scores, (2, 5, 8, 15), (0, 0, 2, 2))
    assert not check._compared("torch", "fp32", expected, added).agrees
