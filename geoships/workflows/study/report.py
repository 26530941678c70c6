"""The report of a study: tables, curves and a conclusion, from the runs that are finished."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from geoships.config.study import StudyConfig, StudyRun
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors
from geoships.workflows.study.conclusion import conclusion
from geoships.workflows.study.effects import FACTORS, seed_means, spread
from geoships.workflows.study.plots import cell_points, learning_curves, read_curves
from geoships.workflows.study.runs import RUNS, read_result

REPORT, RESULTS, CURVES, CELLS = "report.md", "results.csv", "curves.png", "cells.png"


@dataclass(frozen=True)
class StudyReport:
    """What was written. folder: of the report. runs: one row a finished run. missing: runs that are not finished.

    conclusion: its sentences.
    """

    folder: Path
    runs: pd.DataFrame
    missing: tuple[StudyRun, ...]
    conclusion: tuple[str, ...]


def write_study_report(study: StudyConfig, out: Path, folder: Path) -> StudyReport:
    """Write report.md, results.csv, curves.png and cells.png of the finished runs in `out`; all appear, or none.

    Raises GeoshipsError where no run is finished, or the folder cannot be written.
    """
    found = {run: read_result(study, out, run) for run in study.all_runs()}
    runs = pd.DataFrame([result for result in found.values() if result])
    missing = tuple(run for run, result in found.items() if not result)
    if runs.empty:
        raise GeoshipsError(
            f"no run of the study is finished in {out / RUNS}; run geoships study without --report-only"
        )
    curves = pd.concat(
        [
            read_curves(out / RUNS / run.name).assign(**asdict(run))
            for run, result in found.items() if result
        ],
        ignore_index=True,
    )  # fmt: skip
    sentences = tuple(conclusion(study, runs))
    figures = {CELLS: cell_points(runs)}
    if not curves.empty:
        figures[CURVES] = learning_curves(curves)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name, figure in figures.items():
            figure.savefig(stack.enter_context(atomic_write(folder / name)), dpi=110)
        text = markdown(study, runs, missing, sentences, pictures=tuple(figures))
        stack.enter_context(atomic_write(folder / REPORT)).write_text(text, encoding="utf-8")
        runs.to_csv(stack.enter_context(atomic_write(folder / RESULTS)), index=False)
    return StudyReport(folder, runs, missing, sentences)


def markdown(
    study: StudyConfig,
    runs: pd.DataFrame,
    missing: tuple[StudyRun, ...],
    sentences: tuple[str, ...],
    pictures: tuple[str, ...] = (),
) -> str:
    """The report as Markdown."""
    parts = [
        f"# {study.name}: ways to train, side by side",
        "Written by `geoships study` from the finished runs; no figure or sentence below was put in by hand.",
        "## What was run\n\n" + "\n".join(f"- {line}" for line in _facts(study, runs)),
        "## What was not run\n\n" + _missing(study, missing),
        "## Conclusion\n\n" + "\n".join(f"- {sentence}" for sentence in sentences),
        "## Cells\n\nPixel IoU on the held-out scenes over the seeds of each cell, best mean first.\n\n"
        + _table(spread(runs, FACTORS), FACTORS),
        "## Marginal means\n\nPixel IoU over all runs with that choice; the spread is that of the means of the seeds. "
        "Where runs are missing, these means are of different cells: go by the conclusion, which compares pairs alone.",
        *(_table(seed_means(runs, factor), (factor,)) for factor in FACTORS),
        *(f"![{name}]({name})" for name in pictures),
        "## How it was judged\n\n" + "\n".join(f"- {line}" for line in METHOD),
    ]
    return "\n\n".join(parts) + "\n"


METHOD = (
    "Every run has the same scenes, crop size, number of steps and batch size, so that it sees the same number of "
    "pixels.",
    "Runs on chips cut their crops from squares of a fixed grid; runs on scenes cut them anywhere. Both take the same "
    "share of crops around ships, and the same augmentation.",
    "Each trained model finds the ships of the held-out scenes as `geoships predict` does, and pixel IoU (intersection "
    "over union) is counted over all their known pixels together. The threshold of a model is the best on its "
    "validation data, unless the settings name one.",
    "The curves show the validation IoU at a score of 0.5, on the same scenes for every way: whole chips of them where "
    "a way is trained on chips, blocks where it is trained on scenes.",
    "A difference between two choices is the mean over pairs of runs that differ in nothing else, one value a seed; "
    "± is the 95 % interval of Student's t over the seeds. Where that interval holds 0, the difference is within the "
    "spread.",
)


def _facts(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    config = study.scene_config(study.all_runs()[0])
    network, data = config.network, config.data
    weights = f", encoder from {network.encoder_weights}" if network.encoder_weights else ", from random weights"
    steps, pixels = sorted(set(runs["steps"])), sorted(set(runs["pixels_seen"]))
    return [
        f"{len(runs)} of {len(study.all_runs())} runs: {len(study.ways)} ways x {len(study.losses)} losses x "
        f"{len(study.optimisers)} optimisers x {len(study.seeds)} seeds ({', '.join(map(str, study.seeds))}).",
        *(f"Way `{name}`: {way.source}, bands {', '.join(way.bands)}." for name, way in study.ways.items()),
        f"Network: {network.decoder} over {network.encoder}{weights}.",
        f"Budget of a run: {_several(steps)} steps of {config.run.batch_size * config.run.accumulate} crops of "
        f"{config.crops.size} x {config.crops.size} pixels, {_several([round(p / 1e6, 2) for p in pixels])} Mpixel.",
        f"Optimisers: {_optimisers(study)}; schedule {config.schedule.name}.",
        f"Judged on {', '.join(study.judge.groups)}; validated on {', '.join(data.validation.groups) or 'nothing'}.",
    ]


def _optimisers(study: StudyConfig) -> str:
    return "; ".join(
        f"{name} ({found.name}, rate {found.rate:g}, weight decay {found.weight_decay:g})"
        for name, found in study.optimisers.items()
    )


def _several(values: list[float]) -> str:
    return " or ".join(f"{value:,}" for value in values)


def _missing(study: StudyConfig, missing: tuple[StudyRun, ...]) -> str:
    if not missing:
        return "Nothing: every cell has all its seeds."
    cells: dict[str, list[str]] = {}
    for run in missing:
        cells.setdefault(run.cell, []).append(str(run.seed))
    whole = len(study.seeds)
    lines = [
        f"- {cell}: {'no seed' if len(seeds) == whole else 'not seed ' + ', '.join(seeds)}"
        for cell, seeds in cells.items()
    ]
    return f"{len(missing)} of {len(study.all_runs())} runs are missing:\n\n" + "\n".join(lines)


def _table(frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    """A table of `effects.spread` in Markdown."""
    header = [*names, "runs", "mean IoU", "std", "least", "greatest"]
    rows = []
    for key, row in frame.iterrows():
        levels = key if isinstance(key, tuple) else (key,)
        figures = ["-" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in ("mean", "std", "min", "max")]
        rows.append([*map(str, levels), str(int(row["count"])), *figures])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
