"""`geoships crossval`: train and judge by groups that were left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.train import Setting, training_errors

if TYPE_CHECKING:
    from geoships.config import ChipConfig


def crossval(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, such as configs/sentinel2-5band.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for a run for each fold, and the summary.")],
    folds: Annotated[
        int | None, typer.Option(help="Number of folds.", show_default="one for each group, 5 of chips")
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="Judge only this group; repeatable. The others are always trained on."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Score from which on a pixel, or a chip, is ship.", show_default="each model's own"),
    ] = None,
    split: options.Split = None,
    settings: Setting = None,
    quiet: options.Quiet = False,
) -> None:
    """Train and judge a model for each fold; run it again to go on after a stop."""
    from geoships.config import ChipConfig, VerifierConfig, task_config

    checked = task_config(config, tuple(settings or ()))
    if isinstance(checked, ChipConfig):
        if split is not None:
            raise typer.BadParameter("chips hold no polygons to split", param_hint="--split")
        if groups:
            raise typer.BadParameter("chips have no groups to name; their folds are dealt out", param_hint="--group")
        _crossval_chips(checked, out, folds, threshold, quiet)
        return
    if isinstance(checked, VerifierConfig):
        raise GeoshipsError("a verifier is judged with the model that it verifies: see scripts/measure_verifier.py")
    with training_errors():
        from geoships.workflows.crossval import cross_validate
    result = cross_validate(
        checked, out, folds=folds, groups=groups or (), threshold=threshold, split=split, quiet=quiet
    )
    if not quiet:
        typer.echo(result.table)
        typer.echo(f"{len(result.folds)} folds -> {out / 'crossval.md'}")


def _crossval_chips(config: ChipConfig, out: Path, folds: int | None, threshold: float | None, quiet: bool) -> None:
    with training_errors():
        from geoships.workflows.crossval_chips import cross_validate_chips
    result = cross_validate_chips(config, out, folds=folds, threshold=threshold, quiet=quiet)
    if not quiet:
        typer.echo(result.table)
        typer.echo(f"{len(result.wrong)} chips are wrong, {len(result.folds)} folds -> {out / 'crossval.md'}")
