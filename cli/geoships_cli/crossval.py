"""`geoships crossval`: cross-validation by groups of scenes, or by folds of chips."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.option_groups import grouped
from geoships_cli.train import training_libraries

if TYPE_CHECKING:
    from geoships.config import ChipConfig


@grouped
def crossval(
    config: options.TrainingFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the run of each fold and the summary")],
    folds: Annotated[
        int | None, typer.Option(help="Number of folds", show_default="one for each group, 5 of chips")
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="Evaluate this group only; repeatable")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Minimum score of a ship pixel, or of a chip", show_default="each model's own"),
    ] = None,
    split: Annotated[
        bool | None,
        typer.Option("--split/--no-split", help="Split ships that touch at a narrow neck", show_default="on"),
    ] = None,
    settings: options.Setting = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the summary of a finished run; trainings are kept")
    ] = False,
    *,
    run: options.RunOptions,
) -> None:
    """Train and evaluate a model for each fold; the same command resumes a stopped run."""
    from geoships.config import ChipConfig, VerifierConfig, task_config

    training = task_config(config, tuple(settings or ()))
    if isinstance(training, ChipConfig):
        if split is not None:
            raise typer.BadParameter("chips hold no polygons to split", param_hint="--split")
        if groups:
            raise typer.BadParameter("chips have no groups; their folds are drawn at random", param_hint="--group")
        _crossval_chips(training, out, folds, threshold, run, overwrite=overwrite)
        return
    if isinstance(training, VerifierConfig):
        raise GeoshipsError("a verifier is evaluated with its model: see scripts/measure_verifier.py")
    with training_libraries():
        from geoships.workflows.crossval import cross_validate
    with run.clean_stdout():
        result = cross_validate(
            training, out, folds=folds, groups=groups or (), threshold=threshold, split=split, quiet=run.quiet,
            overwrite=overwrite,
        )  # fmt: skip
    facts = {"report": str(out / "crossval.md"), "folds": result.folds, **result.figures}
    run.report(facts, f"{result.table}\n{len(result.folds)} folds -> {out / 'crossval.md'}")


def _crossval_chips(
    config: ChipConfig,
    out: Path,
    folds: int | None,
    threshold: float | None,
    run: options.RunOptions,
    *,
    overwrite: bool,
) -> None:
    with training_libraries():
        from geoships.workflows.crossval_chips import cross_validate_chips
    with run.clean_stdout():
        result = cross_validate_chips(
            config, out, folds=folds, threshold=threshold, quiet=run.quiet, overwrite=overwrite
        )
    facts = {
        "report": str(out / "crossval.md"),
        "folds": [fold.plain() for fold in result.folds],
        "all": result.total.plain(),
        "wrong": [asdict(chip) for chip in result.wrong],
    }
    text = f"{len(result.wrong)} chips are wrong, {len(result.folds)} folds -> {out / 'crossval.md'}"
    run.report(facts, f"{result.table}\n{text}")
