import json
import math
from multiprocessing.context import BaseContext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from labelled_scenes import BANDS, write_scene
from scipy import stats

from geoships.config.study import StudyConfig, study_config
from geoships.errors import GeoshipsError
from geoships.support import workers
from geoships.workflows.study.conclusion import conclusion
from geoships.workflows.study.effects import differences, seed_means

SETTINGS = """
name: tiny
ways:
  classic: {{source: chips, bands: [green]}}
  torchgeo: {{source: scenes, bands: [green, nir]}}
losses: {{dice: {{dice: 1}}, jaccard: {{jaccard: 1}}}}
optimisers: {{adam: {{name: adam, rate: 3e-3}}, lion: {{name: lion, rate: 1e-3}}}}
seeds: [1, 2]
only: ["*/dice/adam"]
judge: {{groups: [west], device: cpu, engine: torch, threshold: 0.3}}
training:
  data: {{root: {root}, scenes: ["*.tif"], labels: ., validation: {{groups: [north], block: 64}}}}
  network: {{options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}}}
  crops: {{size: 64}}
  augment: {{scale: null, paste_piers: null, paste_ships: null, band_dropout: null}}
  run:
    {{crops: 16, validate_every: 8, batch_size: 4, precision: fp32, device: cpu, ema: 0, keep: last, pictures: 0,
    tracker: csv}}
  bundle: {{halo: 16}}
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


def table(effect: float, noise: float = 0.01, seeds: int = 3) -> pd.DataFrame:
    """A full table of runs in which the way `torchgeo` is better by `effect`, and nothing else matters."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {"way": way, "loss": loss, "optimiser": optimiser, "seed": seed,
         "iou": 0.4 + effect * (way == "torchgeo") + noise * rng.standard_normal()}
        for way in ("classic", "torchgeo") for loss in ("dice", "jaccard") for optimiser in ("adam", "lion")
        for seed in range(seeds)
    )  # fmt: skip


def test_a_difference_has_the_interval_of_a_paired_t_test() -> None:
    runs = table(0.1)
    [found] = differences(runs, "way")
    by_seed = runs.groupby(["way", "seed"])["iou"].mean()
    interval = stats.ttest_rel(by_seed["torchgeo"], by_seed["classic"]).confidence_interval(0.95)
    assert (found.more, found.less, found.pairs, found.seeds) == ("torchgeo", "classic", 12, 3)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((interval.low, interval.high))
    assert found.clear
    assert seed_means(runs, "way")["count"].tolist() == [12, 12]


def test_unpaired_runs_are_not_compared() -> None:
    runs = table(0.1)
    some = runs[(runs["way"] == "classic") | ((runs["loss"] == "dice") & (runs["seed"] < 2))]
    [found] = differences(some, "way")
    assert (found.pairs, found.seeds) == (4, 2)
    assert math.isnan(differences(runs[runs["seed"] == 0], "way")[0].half)


@pytest.mark.parametrize(("effect", "verdict"), [(0.1, "more than"), (0.0, "within")])
def test_the_conclusion_follows_the_figures(effect: float, verdict: str, settings: Path) -> None:
    text = " ".join(conclusion(study_config(settings), table(effect, noise=0.02)))
    way = next(sentence for sentence in text.split(". ") if sentence.startswith("Way:"))
    assert f"{verdict} the spread between seeds" in way
    assert "torchgeo over classic by 0.0" in way or not effect
    assert "differ both in their bands and in how crops are taken" in text
    assert "budget was too small" not in text
    low = conclusion(study_config(settings), table(0.0).assign(iou=0.01))
    assert any("budget was too small" in sentence for sentence in low)
    assert conclusion(study_config(settings), table(0.0).iloc[:0])[0].startswith("No run is finished")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.seed=3", "training.seed: set by the study"),
        ("training.bundle={}", "bundle.halo"),
        ("training.run.crops=0", "run.crops: .*greater than or equal to 1"),
        ("training.data.validation={share: 0.2}", "name `groups`"),
        ("losses.focus={focal: 1, dise: 1}", "loss.dise"),
        ("ways.classic.source=tiles", "'chips' or 'scenes'"),
        ("only=[classic/dice]", "no cell matches classic/dice"),
    ],
)
def test_errors_name_the_invalid_setting(change: str, message: str, settings: Path) -> None:
    with pytest.raises(GeoshipsError, match=message):
        study_config(settings, (change,))


def test_every_run_has_the_same_budget_and_its_own_cell(settings: Path) -> None:
    study = study_config(settings, ("only=[]",))
    assert len(study.runs()) == 2 * 2 * 2 * 2
    assert [run.seed for run in study.runs()[:8]] == [1] * 8
    run = study.runs()[-1]
    config = study.chip_config(next(r for r in study.runs() if r.way == "classic"), Path("out/chips-64"))
    assert (config.data.chips.folder, config.data.root, config.data.scenes) == (Path("chips-64"), Path("out"), ())
    scenes = study.scene_config(run)
    assert (scenes.optimiser.name, scenes.loss, scenes.seed) == ("lion", {"jaccard": 1.0}, 2)
    assert (scenes.crops, scenes.run) == (config.crops, config.run)
    assert scenes.data.hold_out == ("west",)


def test_runs_are_trained_evaluated_and_reported_once(settings: Path, tmp_path: Path) -> None:
    from geoships.workflows.study.report import write_study_report
    from geoships.workflows.study.runs import prepare_study, run_study

    out, pages = tmp_path / "runs", tmp_path / "report"
    study = study_config(settings, ("seeds=[1]",))
    with pytest.raises(GeoshipsError, match="no run of the study is finished"):
        write_study_report(study, out, pages)
    told = []
    run_study(prepare_study(study, out), on_result=lambda run, result: told.append((run.name, result["iou"])))
    assert [name for name, _ in told] == ["classic-dice-adam-1", "torchgeo-dice-adam-1"]
    chips = pd.read_csv(out / "chips-64" / "chips.csv")
    assert set(chips.groupby("scene")["part"].first().items()) == {("east", "train"), ("north", "validation")}
    cards = [json.loads((out / "runs" / name / "bundle" / "model.json").read_text()) for name, _ in told]
    assert [card["mlm:input"][0]["bands"] for card in cards] == [["green"], ["green", "nir"]]
    assert [card["geoships:trained_on"] for card in cards] == [["east"], ["east"]]

    written = [path.stat().st_mtime_ns for path in sorted(out.glob("runs/*/bundle/model.safetensors"))]
    again = []
    run_study(prepare_study(study, out), on_result=lambda run, result: again.append((run.name, result["iou"])))
    assert again == told
    assert [path.stat().st_mtime_ns for path in sorted(out.glob("runs/*/bundle/model.safetensors"))] == written

    report = write_study_report(study, out, pages)
    assert len(report.runs) == 2
    assert {run.cell for run in report.missing} == {
        f"{way}/{loss}/{optimiser}" for way in ("classic", "torchgeo")
        for loss, optimiser in (("dice", "lion"), ("jaccard", "adam"), ("jaccard", "lion"))
    }  # fmt: skip
    results = pd.read_csv(pages / "results.csv")
    assert results["steps"].tolist() == [4, 4]
    assert results["pixels_seen"].tolist() == [4 * 4 * 64 * 64] * 2
    text = (pages / "report.md").read_text()
    assert "- classic/jaccard/lion: no seed" in text
    assert "6 of 8 runs are missing" in text
    assert (pages / "curves.png").stat().st_size > 5000
    with pytest.raises(GeoshipsError, match="other data or another split"):
        prepare_study(study_config(settings, ("judge.groups=[north]", "training.data.validation.groups=[west]")), out)


@pytest.fixture
def processes(forkserver: BaseContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of runs need not import everything again."""
    monkeypatch.setattr(workers, "multiprocessing", SimpleNamespace(get_context=lambda _: forkserver))


@pytest.mark.usefixtures("processes")
def test_runs_in_two_processes_give_the_same_results(settings: Path, tmp_path: Path) -> None:
    from geoships.workflows.study.runs import prepare_study, run_study

    study, results = study_config(settings, ("seeds=[1]",)), []
    for jobs in (1, 2):
        told: list[tuple[str, float]] = []
        run_study(
            prepare_study(study, tmp_path / str(jobs)),
            jobs=jobs,
            on_result=lambda run, result, to=told: to.append((run.name, result["iou"])),
        )
        results.append(dict(told))
    assert results[0] == results[1]
    assert len(results[0]) == 2


@pytest.mark.usefixtures("processes")
def test_a_failed_run_in_a_process_is_named(settings: Path, tmp_path: Path) -> None:
    from geoships.workflows.study.runs import prepare_study, run_study

    study = study_config(settings)
    plan = prepare_study(study, tmp_path / "runs")
    for run in study.runs():
        folder = tmp_path / "runs" / "runs" / run.name
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("no folder")
    with pytest.raises(GeoshipsError, match=r"^run (classic|torchgeo)-dice-adam-1: "):
        run_study(plan, jobs=2, on_result=lambda *_: None)


def test_a_study_needs_groups_that_exist(settings: Path, tmp_path: Path) -> None:
    from geoships.workflows.study.runs import prepare_study

    for change, message in (("[south]", "unknown group south; the groups are"), ("[north]", "must not share a group")):
        with pytest.raises(GeoshipsError, match=message):
            prepare_study(study_config(settings, (f"judge.groups={change}",)), tmp_path / "runs")


def test_full_and_small_studies_have_all_cells() -> None:
    for name in ("study_two_ways", "study_two_ways_small"):
        study: StudyConfig = study_config(Path(__file__).parents[2] / "configs" / f"{name}.yaml")
        assert len(study.runs()) == 2 * 2 * 3 * 3
