import json
from pathlib import Path

import geopandas
import pytest
import torch
from labelled_scenes import BANDS, write_scene
from safetensors.torch import load_file

from geoships.config import train_config
from geoships.errors import GeoshipsError, OutputError
from geoships.workflows.crossval import cross_validate, finished_folds, make_folds

SETTINGS = """
name: tiny
data:
  root: {root}
  scenes: ["*.tif"]
  labels: .
  bands: [green, nir]
  validation: {{share: 0}}
network:
  options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}
crops: {{size: 64}}
run: {{crops: 32, batch_size: 4, precision: fp32, device: cpu, ema: 0.5, keep: last}}
bundle: {{halo: 16, threshold: 0.3}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for seed, name in enumerate(("east", "north", "west"), 1):
        write_scene(scenes, name, seed=seed, bands=BANDS)
    path = tmp_path / "tiny.yaml"
    path.write_text(SETTINGS.format(root=scenes))
    return path


def test_each_scene_is_evaluated_with_a_model_of_other_scenes_and_a_second_run_trains_nothing(
    settings: Path, tmp_path: Path
) -> None:
    config, out = train_config(settings), tmp_path / "out"
    first = cross_validate(config, out, groups=("east", "west"), quiet=True)
    assert first.folds == (("east",), ("west",))
    assert set(first.figures["scenes"]) == {"east", "west"}
    assert first.figures["all"]["ships"]["touched"]["labelled"] == 2 * 14
    for number, held in enumerate(first.folds, 1):
        card = json.loads((out / f"fold-{number}" / "bundle" / "model.json").read_text())
        assert set(card["geoships:trained_on"]) == {"east", "north", "west"} - set(held)
        figures = json.loads((out / f"fold-{number}" / "evaluation" / "metrics.json").read_text())
        assert set(figures["scenes"]) == set(held)
        ships = geopandas.read_file(out / f"fold-{number}" / "evaluation" / "ships" / f"{held[0]}.geojson")
        assert set(ships.outcome) <= {"right", "false", "missed"}
        assert (ships.outcome != "false").sum() == 14
    weights = out / "fold-1" / "bundle" / "model.safetensors"
    before, written = load_file(weights), weights.stat().st_mtime_ns
    with pytest.raises(OutputError, match=r"crossval\.json .*exists already"):
        cross_validate(config, out, groups=("east", "west"), quiet=True)
    second = cross_validate(config, out, groups=("east", "west"), quiet=True, overwrite=True)
    assert second == first
    assert weights.stat().st_mtime_ns == written
    torch.testing.assert_close(load_file(weights), before, rtol=0, atol=0)
    assert "| east |" in (out / "crossval.md").read_text()
    assert "| >= 100 |" in (out / "crossval.md").read_text()
    assert json.loads((out / "crossval.json").read_text())["folds"] == [["east"], ["west"]]
    folds = finished_folds(out)
    assert [[Path(entry.scene).stem for entry in fold.held_out] for fold in folds] == [["east"], ["west"]]
    assert [fold.model.card.name for fold in folds] == ["tiny-fold-1", "tiny-fold-2"]


def test_folds_hold_every_group_once_and_are_the_same_for_a_seed() -> None:
    groups = [f"city{number}" for number in range(10)]
    folds = make_folds(groups, 4, seed=3)
    assert sorted(group for fold in folds for group in fold) == groups
    assert sorted(map(len, folds)) == [2, 2, 3, 3]
    assert folds == make_folds(list(reversed(groups)), 4, seed=3) != make_folds(groups, 4, seed=4)
    with pytest.raises(GeoshipsError, match="expected 2 to 10 folds of 10 groups, got 11"):
        make_folds(groups, 11, seed=3)


def test_unknown_groups_are_named(settings: Path, tmp_path: Path) -> None:
    with pytest.raises(GeoshipsError, match="unknown group south; the groups are east, north, west"):
        cross_validate(train_config(settings), tmp_path / "out", groups=("south",), quiet=True)
