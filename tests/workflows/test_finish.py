"""A bundle is finished by the models of its cross-validation, which have not seen the scenes that judge them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from geoships_cli.app import app
from labelled_scenes import write_scene
from typer.testing import CliRunner

from geoships import PredictConfig, predict
from geoships.config import train_config
from geoships.errors import GeoshipsError, OutputError
from geoships.metrics.comparison import Comparison
from geoships.metrics.counts import ObjectCounts, PixelCounts
from geoships.metrics.matching import Overlaps
from geoships.model.bundle import load_bundle, save_bundle
from geoships.training.labelled_scenes import group_of
from geoships.training.segmentation.fit import fit
from geoships.workflows.finish import margin as margins
from geoships.workflows.finish import variants
from geoships.workflows.finish.finish import finish
from geoships.workflows.finish.folds import read_folds, readable, trained_entries
from geoships.workflows.finish.settings import Setting, choose_setting, nested_figures
from geoships.workflows.finish.variants import lost_ships

NAMES = ("east", "north", "west")
HELD_OUT = NAMES[:2]  # by the folds, which all train on the third
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
optimiser: {{rate: 3e-3}}
run: {{crops: 320, batch_size: 4, precision: fp32, device: cpu, ema: 0.9, keep: last, pictures: 0}}
bundle: {{halo: 16, threshold: 0.5}}
"""


class Scores:
    """Pixel scores whose IoU is a table."""

    def __init__(self, iou: dict[float, int]) -> None:
        self.thresholds, self._iou = tuple(iou), iou

    def __add__(self, other: Scores) -> Scores:
        return self

    def at(self, threshold: float) -> PixelCounts:
        return PixelCounts(self._iou[threshold], 100 - self._iou[threshold], 0)


def scene(grid: dict[float, dict[float, tuple[int, int]]], iou: dict[float, int]) -> SimpleNamespace:
    """A scene of ten ships. grid: found and right ships by threshold and minimum peak score."""
    counts = tuple(
        {peak: ObjectCounts(10, found, right, right) for peak, (found, right) in peaks.items()}
        for peaks in grid.values()
    )
    return SimpleNamespace(grid=counts, scores=Scores(iou))


def test_of_settings_with_equally_good_ships_the_best_mask_is_taken() -> None:
    grid = {
        0.1: {0.5: (10, 10), 0.9: (10, 10)},  # too low to be considered
        0.4: {0.5: (12, 8), 0.9: (10, 9)},
        0.5: {0.5: (12, 8), 0.9: (10, 9)},
        0.6: {0.5: (10, 7), 0.9: (8, 7)},
    }
    one = scene(grid, {0.1: 90, 0.4: 50, 0.5: 60, 0.6: 70})
    assert choose_setting([one], Setting(0.4, 0.5)) == Setting(0.5, 0.9)  # type: ignore[list-item]
    same = scene(grid, {0.1: 90, 0.4: 60, 0.5: 60, 0.6: 70})
    assert choose_setting([same], Setting(0.4, 0.5)) == Setting(0.4, 0.9)  # type: ignore[list-item]
    none = scene({0.5: {0.5: (3, 0)}}, {0.5: 0})
    with pytest.raises(GeoshipsError, match="find no labelled ship"):
        choose_setting([none], Setting(0.5, 0.5))  # type: ignore[list-item]


def test_nested_figures_use_the_setting_of_the_other_folds() -> None:
    iou = {0.5: 50}
    first = scene({0.5: {0.5: (10, 10), 0.9: (5, 5)}}, iou)
    second = scene({0.5: {0.5: (20, 5), 0.9: (6, 6)}}, iou)
    nested = nested_figures([[first], [second]], Setting(0.5, 0.5))  # type: ignore[list-item]
    assert nested is not None
    assert nested["settings"] == [[0.5, 0.9], [0.5, 0.5]]
    assert nested["precision_iou_0.3"] == 10 / 25  # 5 of 5 and 5 of 20
    assert nested["recall_iou_0.3"] == 10 / 20
    low, high = nested["f1_iou_0.3_interval"]
    assert low < nested["f1_iou_0.3"] < high
    assert nested_figures([[first]], Setting(0.5, 0.5)) is None  # type: ignore[list-item]


def test_a_ship_is_lost_if_it_was_matched_and_is_not_even_touched() -> None:
    def evaluated(*pairs: tuple[int, float]) -> SimpleNamespace:
        labelled, iou = (np.array(values) for values in zip(*pairs, strict=True))
        overlaps = Overlaps(np.arange(len(pairs)), labelled, iou)
        return SimpleNamespace(comparison=Comparison(4, len(pairs), overlaps, np.zeros(len(pairs), bool)))

    plain = evaluated((0, 0.8), (1, 0.5), (2, 0.1))
    assert lost_ships(plain, evaluated((0, 0.05), (3, 0.9))) == 1  # type: ignore[arg-type]
    assert lost_ships(plain, evaluated((0, 0.8), (1, 0.5))) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("errors", "stated", "chosen"),
    [([12.0, 18.0] * 15, 3.0, 5.5), ([-12.0, 18.0] * 15, 3.0, 3.0), ([-90.0] * 30, 3.0, 0.0), ([12.0] * 5, 3.0, 3.0)],
    ids=["longer than the labels", "no clear difference", "never below 0", "few ships"],
)
def test_the_label_margin_grows_by_a_clear_bias_of_lengths(
    errors: list[float], stated: float, chosen: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(margins, "matched_ships", lambda _: SimpleNamespace(length_errors=np.array([*errors, np.nan])))
    result = margins.choose_margin([], stated, 6.0)
    assert (result["chosen"], result["ships"]) == (chosen, len(errors))
    if len(errors) >= margins.MIN_SHIPS:
        low, high = result["bias_m_interval"]
        assert low <= result["bias_m"] <= high


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, a bundle of a small training, and a cross-validation whose folds hold its weights."""
    folder = tmp_path_factory.mktemp("finish")
    scenes = folder / "scenes"
    scenes.mkdir()
    for seed, name in enumerate(NAMES, 1):
        write_scene(scenes, name, seed=seed)
    (folder / "tiny.yaml").write_text(SETTINGS.format(root=scenes))
    bundle = fit(train_config(folder / "tiny.yaml", ("data.hold_out=[west]",)), folder / "run", quiet=True).bundle
    everywhere = bundle.card.model_copy(update={"trained_on": NAMES})
    save_bundle(folder / "bundle", everywhere, bundle.weights)
    for number, name in enumerate(HELD_OUT, 1):
        fold = folder / "folds" / f"fold-{number}"
        others = tuple(other for other in NAMES if other != name)
        config = train_config(folder / "tiny.yaml", (f"data.hold_out=[{name}]",))
        save_bundle(fold / "bundle", bundle.card.model_copy(update={"trained_on": others}), bundle.weights)
        (fold / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return folder


def test_a_bundle_is_finished_by_one_command(work: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="int8 variants need nncf")
    arguments = [
        "finish",
        work / "bundle",
        "--crossval",
        work / "folds",
        "--out",
        tmp_path / "out",
        "--json",
        "--quiet",
    ]
    said = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    done = load_bundle(tmp_path / "out")
    card, before = done.card, load_bundle(work / "bundle").card
    summary = json.loads(said.stdout)
    assert summary["figures"]["f1_iou_0.3"] > 0.8
    assert card.temperature != 1
    assert card.halo % 16 == 0
    assert set(card.operating_points) == {"high", "balanced", "precise"}
    assert card.operating_points["balanced"].measured_on == HELD_OUT
    assert card.operating_points["balanced"].threshold == card.threshold
    assert [entry["name"] for entry in card.metrics] == ["training", "cross-validation by groups"]
    entry = card.metrics[1]
    low, high = entry["figures"]["f1_iou_0.3_interval"]
    assert low <= entry["figures"]["f1_iou_0.3"] <= high
    assert entry["folds"] == [["east"], ["north"]]
    assert set(entry["scenes"]) == set(HELD_OUT)
    assert entry["ships"] == 2 * 14
    margin = entry["label_margin"]
    assert (margin["stated"], margin["chosen"]) == (before.label_margin, card.label_margin)
    low, high = margin["bias_m_interval"]
    assert low <= margin["bias_m"] <= high
    assert (card.label_margin != 0) == (low > 0)
    assert entry["screen"]["ships_lost"] == entry["int8"]["ships_lost"] == 0
    assert done.screen is not None
    assert done.int8 is not None
    assert before.metrics == card.metrics[:1]
    for precision in ("fp32", "int8"):
        config = PredictConfig(device="cpu", engine="openvino", precision=precision)
        assert len(predict(work / "scenes" / "west.tif", model=done, config=config).ships) > 10


def test_a_variant_that_loses_a_ship_is_left_out(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "lost_ships", lambda plain, _: int(plain.files.name == "east"))
    finished = finish(load_bundle(work / "bundle"), work / "folds", tmp_path / "out.zip", int8=False)
    assert finished.screen is not None
    assert finished.screen.lost == ("east",)
    assert (finished.int8, load_bundle(tmp_path / "out.zip").screen) == (None, None)
    assert finished.record["screen"]["lost_in"] == ["east"]
    assert "int8" not in finished.record


def test_folds_that_cannot_judge_are_refused_before_anything_is_computed(work: Path, tmp_path: Path) -> None:
    bundle = load_bundle(work / "bundle")
    folds = shutil.copytree(work / "folds", tmp_path / "folds")
    with pytest.raises(OutputError, match="does not exist"):
        finish(bundle, folds, tmp_path / "nowhere" / "out")
    with pytest.raises(GeoshipsError, match="holds no fold"):
        finish(bundle, tmp_path, tmp_path / "out")
    other = replace(bundle, card=bundle.card.model_copy(update={"gsd": 6.0}))
    with pytest.raises(GeoshipsError, match="fold-1: its model differs from tiny in the pixel size"):
        finish(other, folds, tmp_path / "out")
    seen = load_bundle(folds / "fold-2" / "bundle")
    card = seen.card.model_copy(update={"trained_on": NAMES})
    save_bundle(seen.path, card, seen.weights)
    with pytest.raises(GeoshipsError, match="fold-2: its model was trained on north"):
        finish(bundle, folds, tmp_path / "out")
    shutil.rmtree(folds / "fold-1" / "bundle")
    with pytest.raises(GeoshipsError, match="fold-1 has no bundle"):
        finish(bundle, folds, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bundle_may_require_bands_that_its_folds_can_do_without(work: Path, tmp_path: Path) -> None:
    """Scenes without such a band are trained on, and the bundle is not measured on them, as it refuses them."""
    scenes = shutil.copytree(work / "scenes", tmp_path / "scenes")
    write_scene(scenes, "bare", seed=9, bands=("B03",))
    bundle = load_bundle(work / "bundle")
    folds = tmp_path / "folds"
    for number, name in enumerate(HELD_OUT, 1):
        fold = folds / f"fold-{number}"
        card = load_bundle(work / "folds" / fold.name / "bundle").card
        save_bundle(fold / "bundle", card.model_copy(update={"optional": ("nir",)}), bundle.weights)
        settings = (f"data.hold_out=[{name}]", f"data.root={scenes}", "data.optional=[nir]")
        config = train_config(work / "tiny.yaml", settings)
        (fold / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    first = read_folds(folds, bundle)[0]
    entries = trained_entries(first)
    assert {group_of(entry) for entry in entries} == {"bare", "north", "west"}
    assert {group_of(entry) for entry in readable(first.config.data, entries, bundle.card)} == {"north", "west"}
    assert finish(bundle, folds, tmp_path / "out", screen=False, int8=False).card.optional == ()
    wider = replace(bundle, card=bundle.card.model_copy(update={"optional": ("green",)}))
    with pytest.raises(GeoshipsError, match="differs from tiny in the bands that may be missing"):
        finish(wider, folds, tmp_path / "wider")
