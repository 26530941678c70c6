"""`geoships evaluate`: evaluate a bundle on labelled scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.evaluation import Evaluation
    from geoships.model.bundle import Bundle


@dataclass(frozen=True)
class EvaluatedScenes(options.LabelledScenes):
    """Labelled scenes, and where land is."""

    land: Annotated[
        list[Path] | None,
        typer.Option(
            help="Land for the distance to it, named after its scene; repeatable", rich_help_panel=options.SCENE
        ),
    ] = None


@dataclass(frozen=True)
class ReportOptions:
    """What is written."""

    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for metrics.json, report.md and report.html", rich_help_panel=options.OUTPUTS
        ),
    ]
    ships: Annotated[
        Path | None,
        typer.Option(help="Folder for SCENE.geojson of found and missed ships", rich_help_panel=options.OUTPUTS),
    ] = None
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures", help="Show image crops in report.html", rich_help_panel=options.OUTPUTS
        ),
    ] = True
    store_temperature: Annotated[
        bool,
        typer.Option(
            "--store-temperature", help="Write the fitted temperature into the bundle",
            rich_help_panel=options.OUTPUTS,
        ),
    ] = False  # fmt: skip
    overwrite: options.Overwrite = False


@dataclass(frozen=True)
class JudgementOptions:
    """What the figures are good for, and what of them is kept."""

    allow_seen: Annotated[
        bool,
        typer.Option(
            "--allow-seen", help="Only note scenes that the model was trained on", rich_help_panel=options.SCENE
        ),
    ] = False
    store_operating_points: Annotated[
        bool,
        typer.Option(
            "--store-operating-points", help="Write settings for predict --sensitivity into the bundle",
            rich_help_panel=options.OUTPUTS,
        ),
    ] = False  # fmt: skip


@grouped
def evaluate(
    bundle: options.Bundle,
    *,
    labelled: EvaluatedScenes,
    report: ReportOptions,
    judgement: JudgementOptions,
    scene: options.SceneOptions,
    inference: options.InferenceOptions,
    ships: options.ShipOptions,
    speed: options.SpeedOptions,
    config_file: options.ConfigFile = None,
    run: options.RunOptions,
) -> None:
    """Evaluate a bundle on labelled scenes, by the same steps as `geoships predict`."""
    if report.store_temperature or judgement.store_operating_points:
        _refuse_installed(bundle)
    from geoships.config import predict_config
    from geoships.evaluation import (
        evaluate,
        store_operating_points,
        store_temperature,
    )

    loaded = _load(bundle, report, judgement)
    config = predict_config(
        config_file,
        model=bundle,
        overwrite=report.overwrite or None,
        **options.settings_of(scene, inference, ships, speed),
    )
    _check_files(report, labelled, overwrite=config.overwrite)
    with run.progress_display() as progress:
        result = evaluate(
            labelled.scenes, labelled.labels, ignore=labelled.ignore or (), land=labelled.land or (), config=config,
            model=loaded, allow_seen=judgement.allow_seen, progress=progress,
        )  # fmt: skip
    files = _write(result, report, overwrite=config.overwrite)
    if not run.quiet:
        for warning in result.figures["warnings"]:
            typer.secho(f"warning: {warning}", fg="red", bold=True, err=True)
    text = _text(result, files)
    summary = _summary(result, files)
    if judgement.store_operating_points:
        card = store_operating_points(result)
        result = replace(result, model=replace(result.model, card=card))
        text += "".join(
            f"\n{bundle}: {name}: threshold {point.threshold:.4g}, minimum peak {point.min_peak:.4g}"
            for name, point in card.operating_points.items()
        )
    if report.store_temperature:
        card = store_temperature(result)
        text += f"\n{bundle}: temperature {card.temperature:.3f}, threshold {card.threshold:.3f}"
    run.report(summary, text)


def _check_files(report: ReportOptions, labelled: EvaluatedScenes, *, overwrite: bool) -> None:
    """Refuse a report that cannot be written, before any work."""
    from geoships.evaluation.report import check_files
    from geoships.scene.layers.labelled_files import pair_files

    pairs = pair_files(labelled.scenes, labelled.labels, labelled.ignore or (), labelled.land or ())
    check_files(report.out, report.ships, pairs, overwrite=overwrite)


def _write(result: Evaluation, report: ReportOptions, *, overwrite: bool) -> dict[str, Path]:
    """Write the report and the outcomes of ships; returns the files."""
    from geoships.evaluation import write_outcomes, write_report

    files = write_report(result, report.out, pictures=report.pictures, overwrite=overwrite)
    if report.ships:
        write_outcomes(result, report.ships, overwrite=overwrite)
        files["ships"] = report.ships
    return files


def _load(bundle: str, report: ReportOptions, judgement: JudgementOptions) -> Bundle:
    """Load the bundle; refuse, before the scenes are computed, what is for models of one class only."""
    from geoships.model.bundle import load_bundle

    loaded = load_bundle(bundle)
    if report.store_temperature:
        loaded.require_one_class("--store-temperature is")
    if judgement.store_operating_points:
        loaded.require_one_class("--store-operating-points is")
    return loaded


def _refuse_installed(bundle: str) -> None:
    from geoships.model.installed import installed

    if bundle in dict(installed()):
        raise GeoshipsError(f"the installed model {bundle} is not changed: copy its folder and evaluate the copy")


def _summary(result: Evaluation, files: dict[str, Path]) -> dict[str, object]:
    """Return the totals, without curves and tables."""
    names: tuple[str, ...] = (
        "model", "threshold", "min_peak", "warnings", "seen", "all", "scenes", "best_threshold", "operating_points",
        "average_precision", "matched_ships", "notes",
    )  # fmt: skip
    if "classes" in result.figures:
        names = ("model", "thresholds", "min_peak", "warnings", "seen", "scenes", "mean", "notes")
        classes = {name: own["all"] for name, own in result.figures["classes"].items()}
        kept = {**{name: result.figures[name] for name in names}, "classes": classes}
    else:
        kept = {name: result.figures[name] for name in names}
    return {**kept, "outputs": {n: str(path) for n, path in files.items()}}


def _text(result: Evaluation, files: dict[str, Path]) -> str:
    from geoships.evaluation.tables import class_overview, measures, overview

    headline = "not a judgement: the model was trained on scenes of these\n" if result.figures["warnings"] else ""
    written = f"-> {', '.join(map(str, files.values()))}"
    if "classes" in result.figures:
        table = class_overview(result.figures)
        return f"{headline}{table.plain()}\n{table.note}\n{written}"
    best, table = result.figures["best_threshold"]["ships_f1"], overview(result.figures)
    return (
        f"{headline}{table.plain()}\n{table.note}\n{measures(result.figures).plain()}\n"
        f"threshold {result.figures['threshold']:g}; ships at IoU 0.3 are best at {best['threshold']:g} "
        f"(F1 {best['value']:.3f})\n{written}"
    )
