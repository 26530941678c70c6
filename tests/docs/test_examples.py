"""The programs of the gallery run from start to end."""

from __future__ import annotations

import runpy
import tempfile
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from doc_pages import REPOSITORY


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs an example by name, with its files in a folder of the test; returns its variables."""
    matplotlib.use("agg")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(name: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torchgeo and Lightning; a user sees few of them
            return runpy.run_path(str(REPOSITORY / "examples" / f"{name}.py"))

    return run


def test_ships_of_the_harbour_are_found(example) -> None:
    variables = example("predict_harbour")
    assert variables["found"] >= 0.8 * len(variables["harbour"].ships)
    assert (variables["folder"] / "ships.gpkg").exists()


def test_a_torchgeo_dataset_is_stitched(example) -> None:
    variables = example("stitch_torchgeo")
    assert variables["scores"].shape == (384, 384)
    assert 0.1 < (variables["scores"] > 0.5).mean() < 0.9


def test_a_model_is_trained_evaluated_and_used(example) -> None:
    variables = example("train_own_data")
    assert variables["ships"]["labelled"] > 0
    assert variables["ships"]["found"] == len(variables["result"].ships)
    assert (variables["folder"] / "report" / "report.html").exists()


def test_every_form_of_a_scene_has_the_same_ships(example) -> None:
    variables = example("arrays_and_datasets")
    ships = variables["ships"]
    assert list(ships) == ["path", "dataset", "array", "DataArray"]
    assert len(ships["path"]) > 3
    for found in ships.values():
        assert found.crs == ships["path"].crs
        assert found.geometry.geom_equals_exact(ships["path"].geometry, 1e-3).all()
        assert found.score.tolist() == ships["path"].score.tolist()
    assert 0 < len(variables["part"].ships) < len(ships["path"])
