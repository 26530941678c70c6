"""`geoships evaluate`: judge a bundle on labelled scenes."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.progress import progress_display

if TYPE_CHECKING:
    from geoships.evaluation import Evaluation

_PAIRED = "a file, folder or pattern; repeat for several"


def evaluate(
    bundle: Annotated[str, typer.Argument(help="Installed model, bundle folder or bundle zip.")],
    scenes: Annotated[list[str], typer.Option(help=f"Scenes: {_PAIRED}.")],
    labels: Annotated[
        list[Path], typer.Option(help=f"Labelled ships, polygons or masks named after their scene: {_PAIRED}.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for metrics.json, report.md and report.html.")],
    ignore: Annotated[
        list[Path] | None, typer.Option(help=f"Polygons that say nothing about ships: {_PAIRED}.")
    ] = None,
    land: Annotated[
        list[Path] | None, typer.Option(help=f"Land, polygons or masks, for the distance to it: {_PAIRED}.")
    ] = None,
    ships: Annotated[
        Path | None, typer.Option(help="Folder for SCENE.geojson of all found and missed ships, with their outcome.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show cuts of the scenes in report.html.")
    ] = True,
    store_temperature: Annotated[
        bool, typer.Option("--store-temperature", help="Write the fitted temperature into the bundle's card.")
    ] = False,
    settings: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file of settings, such as configs/predict.yaml.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score from which on a pixel is ship.", show_default="the model's own")
    ] = None,
    min_peak: options.MinPeak = None,
    gsd: Annotated[float | None, typer.Option(help="Pixel size in metres.", show_default="from the scene")] = None,
    bands: options.Bands = None,
    scale: options.Scale = None,
    offset: options.Offset = None,
    sensor: options.Sensor = None,
    trust_vrt: options.TrustVrt = False,
    device: options.Device = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    views: options.Views = None,
    verify: options.Verify = None,
    split: options.Split = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Judge a bundle on labelled scenes, through the pipeline that `geoships predict` runs."""
    if store_temperature:
        _refuse_installed(bundle)
    from geoships.config import predict_config
    from geoships.evaluation import evaluate, write_outcomes, write_report
    from geoships.evaluation import store_temperature as store
    from geoships.evaluation.report import check_folder
    from geoships.model.bundle import load_bundle

    for folder in (out, *([ships] if ships else [])):
        check_folder(folder)
    config = predict_config(
        settings, model=bundle, threshold=threshold, min_peak=min_peak, gsd=gsd, bands=options.split_bands(bands),
        scale=scale, offset=offset, sensor=sensor, trust_vrt=trust_vrt or None, device=device, views=views,
        verify=verify, split=split, engine=engine, precision=precision,
    )  # fmt: skip
    with closing(progress_display(quiet=quiet)) as progress:
        result = evaluate(
            scenes, labels, ignore=ignore or (), land=land or (), config=config, model=load_bundle(bundle),
            progress=progress,
        )  # fmt: skip
    files = write_report(result, out, pictures=pictures)
    if ships:
        write_outcomes(result, ships)
        files["ships"] = ships
    card = store(result) if store_temperature else None
    if as_json:
        typer.echo(json.dumps(_summary(result, files)))
    elif not quiet:
        _print(result, files)
        if card is not None:
            typer.echo(f"{bundle}: temperature {card.temperature:.3f}, threshold {card.threshold:.3f}")


def _refuse_installed(bundle: str) -> None:
    from geoships.model.installed import installed

    if bundle in dict(installed()):
        raise GeoshipsError(f"the installed model {bundle} is not changed: copy its folder and evaluate the copy")


def _summary(result: Evaluation, files: dict[str, Path]) -> dict[str, object]:
    """The totals, without curves and tables."""
    names = ("model", "threshold", "all", "scenes", "best_threshold", "average_precision", "matched_ships", "notes")
    return {**{name: result.figures[name] for name in names}, "outputs": {n: str(path) for n, path in files.items()}}


def _print(result: Evaluation, files: dict[str, Path]) -> None:
    from geoships.evaluation.tables import by_scene, measures

    best = result.figures["best_threshold"]["ships_f1"]
    typer.echo(by_scene(result.figures).plain())
    typer.echo(measures(result.figures).plain())
    typer.echo(
        f"threshold {result.figures['threshold']:g}; ships at IoU 0.3 are best at {best['threshold']:g} "
        f"(F1 {best['value']:.3f})\n-> {', '.join(map(str, files.values()))}"
    )
