"""`geoships crossval`: cross-validation by groups of scenes, or by folds of chips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.train import training_libraries

if TYPE_CHECKING:
    from geoships.config import ChipConfig


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
    quiet: options.Quiet = False,
) -> None:
    """Train and evaluate a model for each fold; the same command resumes a stopped run."""
    from geoships.config import ChipConfig, VerifierConfig, task_config

    training = task_config(config, tuple(settings or ()))
    if isinstance(training, ChipConfig):
        if split is not None:
            raise typer.BadParameter("chips hold no polygons to split", param_hint="--split")
        if groups:
            raise typer.BadParameter("chips have no groups; their folds are drawn at random", param_hint="--group")
        _crossval_chips(training, out, folds, threshold, quiet, overwrite=overwrite)
        return
    if isinstance(training, VerifierConfig):
        raise GeoshipsError("a verifier is evaluated with its model: see scripts/measure_verifier.py")
    with training_libraries():
        from geoships.workflows.crossval import cross_validate
    result = cross_validate(
        training, out, folds=folds, groups=groups or (), threshold=threshold, split=split, quiet=quiet,
        overwrite=overwrite,
    )  # fmt: skip
    if not quiet:
        typer.echo(result.table)
        typer.echo(f"{len(result.folds)} folds -> {out / 'crossval.md'}")


def _crossval_chips(
    config: ChipConfig, out: Path, folds: int | None, threshold: float | None, quiet: bool, *, overwrite: bool
) -> None:
    with training_libraries():
        from geoships.workflows.crossval_chips import cross_validate_chips
    result = cross_validate_chips(config, out, folds=folds, threshold=threshold, quiet=quiet, overwrite=overwrite)
    if not quiet:
        typer.echo(result.table)
        typer.echo(f"{len(result.wrong)} chips are wrong, {len(result.folds)} folds -> {out / 'crossval.md'}")
