"""Writes the report of a study from its finished runs: tables, curves and a conclusion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from geoships.config.study import StudyConfig, StudyRun
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_writes, output_errors
from geoships.support.overwrite import refuse_overwrites
from geoships.workflows.study.conclusion import conclusion
from geoships.workflows.study.effects import FACTORS, group_statistics, seed_means
from geoships.workflows.study.plots import cell_points, learning_curves, read_curves
from geoships.workflows.study.runs import RUNS, read_result

REPORT, RESULTS, CURVES, CELLS = "report.md", "results.csv", "curves.png", "cells.png"


@dataclass(frozen=True)
class StudyReport:
    """A written report.

    Attributes:
        folder: Folder of the report.
        runs: One row per finished run.
        missing: Runs that are not finished.
        conclusion: Sentences of the conclusion.
    """

    folder: Path
    runs: pd.DataFrame
    missing: tuple[StudyRun, ...]
    conclusion: tuple[str, ...]


def check_report(folder: Path, *, overwrite: bool) -> None:
    """Check, before any work, that a report can be written to a folder.

    Raises:
        OutputError: The folder holds a report, and `overwrite` is not set.
    """
    refuse_overwrites((folder / name for name in (REPORT, RESULTS, CURVES, CELLS)), overwrite=overwrite)


def write_study_report(study: StudyConfig, out: Path, folder: Path, *, overwrite: bool = False) -> StudyReport:
    """Write report.md, results.csv, curves.png and cells.png; all files are written, or none.

    Args:
        study: Settings.
        out: Folder of the runs.
        folder: Folder for the report; created if needed.
        overwrite: Replace an existing report.

    Returns:
        The report.

    Raises:
        GeoshipsError: No run is finished.
        OutputError: The folder holds a report, or cannot be written.
    """
    check_report(folder, overwrite=overwrite)
    results = {run: read_result(study, out, run) for run in study.all_runs()}
    runs = pd.DataFrame([result for result in results.values() if result])
    missing = tuple(run for run, result in results.items() if not result)
    if runs.empty:
        raise GeoshipsError(
            f"no run of the study is finished in {out / RUNS}; run geoships study without --report-only"
        )
    curves = pd.concat(
        [
            read_curves(out / RUNS / run.name).assign(**asdict(run))
            for run, result in results.items() if result
        ],
        ignore_index=True,
    )  # fmt: skip
    sentences = tuple(conclusion(study, runs))
    figures = {CELLS: cell_points(runs)}
    if not curves.empty:
        figures[CURVES] = learning_curves(curves)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    text = markdown(study, runs, missing, sentences, pictures=tuple(figures))
    with atomic_writes([folder / name for name in (*figures, REPORT, RESULTS)]) as temporaries:
        for figure, temporary in zip(figures.values(), temporaries, strict=False):
            figure.savefig(temporary, dpi=110)
        temporaries[-2].write_text(text, encoding="utf-8")
        runs.to_csv(temporaries[-1], index=False)
    return StudyReport(folder, runs, missing, sentences)


def markdown(
    study: StudyConfig,
    runs: pd.DataFrame,
    missing: tuple[StudyRun, ...],
    sentences: tuple[str, ...],
    pictures: tuple[str, ...] = (),
) -> str:
    """Write the text of the report.

    Args:
        study: Settings.
        runs: One row per finished run.
        missing: Runs that are not finished.
        sentences: Sentences of the conclusion.
        pictures: File names of the plots.

    Returns:
        Markdown.
    """
    sections = [
        f"# {study.name}: comparison of ways to train",
        "Written by `geoships study` from the finished runs; no number or sentence was edited by hand.",
        "## Runs\n\n" + "\n".join(f"- {line}" for line in _facts(study, runs)),
        "## Missing runs\n\n" + _missing(study, missing),
        "## Conclusion\n\n" + "\n".join(f"- {sentence}" for sentence in sentences),
        "## Cells\n\nPixel IoU on the held-out scenes over the seeds of each cell, best mean first.\n\n"
        + _table(group_statistics(runs, FACTORS), FACTORS),
        "## Marginal means\n\nPixel IoU over all runs with that level; the standard deviation is over the means of "
        "seeds. Where runs are missing, these means are over different cells; the conclusion compares matched pairs "
        "only.",
        *(_table(seed_means(runs, factor), (factor,)) for factor in FACTORS),
        *(f"![{name}]({name})" for name in pictures),
        "## Method\n\n" + "\n".join(f"- {line}" for line in METHOD),
    ]
    return "\n\n".join(sections) + "\n"


METHOD = (
    "All runs have the same scenes, crop size, number of steps and batch size, and so see the same number of pixels.",
    "Runs on chips cut their crops from the squares of a fixed grid; runs on scenes cut them at random positions. Both "
    "use the same fraction of crops with ships, and the same augmentation.",
    "Each trained model predicts the held-out scenes as `geoships predict` does; pixel IoU (intersection over union) "
    "is over all their labelled pixels together. The threshold of a model is the best on its validation set, unless "
    "the settings give one.",
    "The curves show the validation IoU at a threshold of 0.5, on the same scenes for every way: on whole chips for a "
    "way trained on chips, on blocks for a way trained on scenes.",
    "The difference between two levels is the mean over pairs of runs that differ in nothing else, one value per seed; "
    "± is the 95 % confidence interval (Student's t) over the seeds. If the interval includes 0, the difference is "
    "within the spread.",
)


def _facts(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    config = study.scene_config(study.all_runs()[0])
    network, data = config.network, config.data
    weights = f", encoder from {network.encoder_weights}" if network.encoder_weights else ", from random weights"
    steps = sorted(set(runs["steps"]))
    megapixels = [round(pixels / 1e6, 2) for pixels in sorted(set(runs["pixels_seen"]))]
    return [
        f"{len(runs)} of {len(study.all_runs())} runs: {len(study.ways)} ways x {len(study.losses)} losses x "
        f"{len(study.optimisers)} optimisers x {len(study.seeds)} seeds ({', '.join(map(str, study.seeds))}).",
        *(f"Way `{name}`: {way.source}, bands {', '.join(way.bands)}." for name, way in study.ways.items()),
        f"Network: {network.decoder} over {network.encoder}{weights}.",
        f"Budget per run: {_join_values(steps)} steps of {config.run.batch_size * config.run.accumulate} crops of "
        f"{config.crops.size} x {config.crops.size} pixels, {_join_values(megapixels)} Mpixel.",
        f"Optimisers: {_optimisers(study)}; schedule {config.schedule.name}.",
        f"Evaluated on {', '.join(study.judge.groups)}; validation set {', '.join(data.validation.groups) or 'none'}.",
    ]


def _optimisers(study: StudyConfig) -> str:
    return "; ".join(
        f"{name} ({optimiser.name}, rate {optimiser.rate:g}, weight decay {optimiser.weight_decay:g})"
        for name, optimiser in study.optimisers.items()
    )


def _join_values(values: list[float]) -> str:
    return " or ".join(f"{value:,}" for value in values)


def _missing(study: StudyConfig, missing: tuple[StudyRun, ...]) -> str:
    if not missing:
        return "None: every cell has all its seeds."
    cells: dict[str, list[str]] = {}
    for run in missing:
        cells.setdefault(run.cell, []).append(str(run.seed))
    seed_count = len(study.seeds)
    lines = [
        f"- {cell}: {'no seed' if len(seeds) == seed_count else 'not seed ' + ', '.join(seeds)}"
        for cell, seeds in cells.items()
    ]
    return f"{len(missing)} of {len(study.all_runs())} runs are missing:\n\n" + "\n".join(lines)


def _table(frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    """Return a table of `group_statistics` in Markdown."""
    header = [*names, "runs", "mean IoU", "std", "min", "max"]
    rows = []
    for key, row in frame.iterrows():
        levels = key if isinstance(key, tuple) else (key,)
        figures = ["-" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in ("mean", "std", "min", "max")]
        rows.append([*map(str, levels), str(int(row["count"])), *figures])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
