"""`geoships train`: train a model on labelled scenes, or a classifier on labelled chips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships.support.threads import yield_while_waiting
from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.config import ChipConfig, TrainConfig, VerifierConfig
    from geoships.training.run import Trained


@grouped
def train(
    config: options.TrainingFile,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run: bundle, checkpoints, logs")
    ] = None,
    settings: options.Setting = None,
    show_crops: Annotated[
        Path | None, typer.Option("--show-crops", help="Draw the first crops to this image; train nothing")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the stopped run in --out")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete an earlier run in --out, or replace the image")
    ] = False,
    *,
    run: options.RunOptions,
) -> None:
    """Train a model on labelled scenes, a classifier of chips, or a verifier; the finished bundle is OUT/bundle."""
    from geoships.config import task_config

    training = task_config(config, tuple(settings or ()))
    if show_crops is not None:
        _draw_crops(training, show_crops, overwrite=overwrite)
        run.report({"name": training.name, "crops": str(show_crops)}, f"{training.name}: first crops -> {show_crops}")
        return
    if out is None:
        raise typer.BadParameter("name the folder of the run", param_hint="--out")
    if resume and overwrite:
        raise typer.BadParameter("resume a run, or begin anew with --overwrite", param_hint="--resume")
    if overwrite:
        from geoships.support.overwrite import refuse_overwrites

        refuse_overwrites([out / "config.yaml"], [config], overwrite=True)  # it is the earlier run's own
    with run.clean_stdout():
        trained = _train(training, out, resume=resume, overwrite=overwrite, quiet=run.quiet)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in sorted(trained.validation.items()))
    bundle = trained.folder / "bundle"
    facts = {"name": training.name, "trained": trained.amount, "validation": trained.validation, "bundle": str(bundle)}
    shown = f" ({figures})" if figures else ""
    run.report(facts, f"{training.name}: {trained.amount}{shown} -> {bundle}")
    if training.bundle.licence is None and not run.quiet:
        typer.echo(
            "the card states no licence: write one, such as MIT or proprietary, as `license` in "
            f"{bundle / 'model.json'}, and as bundle.licence in the settings of the next training",
            err=True,
        )


def _train(
    training: ChipConfig | TrainConfig | VerifierConfig, out: Path, *, resume: bool, overwrite: bool, quiet: bool
) -> Trained:
    from geoships.config import ChipConfig, VerifierConfig

    if isinstance(training, ChipConfig):
        with training_libraries():
            from geoships.training.classification.fit import fit_chips
        return fit_chips(training, out, resume=resume, overwrite=overwrite, quiet=quiet)
    if isinstance(training, VerifierConfig):
        with training_libraries():
            from geoships.training.verification.fit import fit_verifier
        return fit_verifier(training, out, resume=resume, overwrite=overwrite, quiet=quiet)
    with training_libraries():
        from geoships.training.segmentation.fit import fit
    return fit(training, out, resume=resume, overwrite=overwrite, quiet=quiet)


def _draw_crops(config: ChipConfig | TrainConfig | VerifierConfig, path: Path, *, overwrite: bool) -> None:
    from geoships.config import TrainConfig

    if not isinstance(config, TrainConfig):
        raise GeoshipsError(f"--show-crops: expected the task segmentation, got {config.task}, which has no crops")
    with training_libraries():
        from geoships.training.segmentation.crop_sheet import draw_crops
    draw_crops(config, path, overwrite=overwrite)


@contextmanager
def training_libraries() -> Iterator[None]:
    """Prepare for the libraries of training, which the block imports; tell what to install where they are missing."""
    yield_while_waiting()
    try:
        yield
    except ModuleNotFoundError as error:
        raise GeoshipsError(f"training needs {error.name}: install geoships with its extra, geoships[train]") from error
