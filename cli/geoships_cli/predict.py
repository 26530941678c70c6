"""`geoships predict`: find the ships of one or many scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError, OutputError
from geoships_cli import chips, options, sources
from geoships_cli.chips import Outputs
from geoships_cli.progress import Display, JsonLines, Lines, progress_display

if TYPE_CHECKING:
    from geoships.config import PredictConfig
    from geoships.pipeline.batch import BatchResult, SceneFailure, SceneJob
    from geoships.pipeline.predict import Prediction
    from geoships.scene.opening.band_files import BandFiles

FORMATS = ("geojson", "gpkg", "fgb", "parquet")


def predict(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Scenes: paths, subdatasets, http(s):// or s3:// addresses; rasters, STAC Items; or a folder of chips."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Ships of one scene: .geojson, .gpkg, .fgb or .parquet.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Ship mask of one scene, as a COG.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Scores of one scene, as a COG.")] = None,
    stac: sources.Stac = None,
    preview: Annotated[
        Path | None, typer.Option(help="Picture (.png) of one scene with its ships, a scale bar and a legend.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option(help="QGIS project (.qgz) of the scene and the outputs above.")
    ] = None,
    style: options.Style = None,
    out_dir: Annotated[Path | None, typer.Option(help="Folder for the outputs of several scenes.")] = None,
    out_format: Annotated[str, typer.Option("--format", help=f"With --out-dir: {', '.join(FORMATS)}.")] = "geojson",
    rasters: Annotated[bool, typer.Option("--rasters", help="With --out-dir: write masks and scores too.")] = False,
    previews: Annotated[bool, typer.Option("--previews", help="With --out-dir: write previews too.")] = False,
    items: sources.Items = False,
    band: sources.BandFile = None,
    stac_api: sources.StacApi = None,
    collection: sources.Collection = None,
    bbox: sources.Bbox = None,
    datetime: sources.Datetime = None,
    max_cloud: sources.MaxCloud = None,
    model: options.Model = None,
    settings: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file of settings, such as configs/predict.yaml.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score from which on a pixel is ship.", show_default="the model's own")
    ] = None,
    min_peak: options.MinPeak = None,
    min_area: Annotated[float | None, typer.Option(help="Smallest ship in square metres.", show_default="300")] = None,
    max_hole: Annotated[
        float | None, typer.Option(help="Fill holes up to this size in square metres.", show_default="500")
    ] = None,
    simplify: Annotated[
        float | None, typer.Option(help="Let outlines move by so many metres.", show_default="0: exact pixel edges")
    ] = None,
    area: options.Area = None,
    gsd: Annotated[float | None, typer.Option(help="Pixel size in metres.", show_default="from the scene")] = None,
    bands: options.Bands = None,
    scale: options.Scale = None,
    offset: options.Offset = None,
    sensor: options.Sensor = None,
    trust_vrt: options.TrustVrt = False,
    device: options.Devices = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    views: options.Views = None,
    verify: options.Verify = None,
    split: options.Split = None,
    tile_size: Annotated[
        int | None, typer.Option(help="Greatest tile in model pixels.", show_default="the cheapest")
    ] = None,
    overlap: options.Overlap = None,
    batch_size: Annotated[int | None, typer.Option(help="Tiles in a batch.", show_default="for the machine")] = None,
    screen: options.Screen = None,
    land: options.Land = None,
    land_mask: options.LandMask = False,
    shore: options.Shore = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    progress_as: options.Progress = Display.auto,
) -> None:
    """Find the ships of one scene (--out) or of many (--out-dir)."""
    query = sources.Query(stac_api, collection, bbox, datetime, max_cloud)
    single = Outputs(out, mask, scores, stac, preview, project)
    with closing(progress_display(quiet=quiet, display=progress_as)) as progress:
        _check_names(single, out_dir, out_format)
        found = sources.find_scenes(scenes, band, query, several=out_dir is not None, progress=progress)
    folder = chips.folder_of(found)
    jobs = [] if folder else _jobs(found, single, out_dir, out_format, rasters, previews, items)
    from geoships.config import predict_config

    config = predict_config(
        settings, model=model, threshold=threshold, min_peak=min_peak, min_area=min_area, max_hole=max_hole,
        simplify=simplify, area=area, gsd=gsd, bands=options.split_bands(bands), scale=scale, offset=offset,
        sensor=sensor, trust_vrt=trust_vrt or None, device=device, engine=engine, precision=precision, views=views,
        tile_size=tile_size, batch_size=batch_size, verify=verify, split=split, style=style,
        overlap=overlap, screen=screen, land=land, land_mask=land_mask or None, shore=shore,
    )  # fmt: skip
    if folder:
        chips.predict_folder(folder, single, config, quiet=quiet, as_json=as_json, display=progress_as)
        return
    if out_dir:
        _make_folder(out_dir)
    with (
        closing(progress_display(quiet=quiet, display=progress_as, verbose=verbose)) as progress,
        sources.area_of(config.area, bbox) as searched,
    ):
        result = _run(jobs, config.model_copy(update={"area": searched}), progress)
    failed = [failure.scene for failure in result.failures]
    if as_json:
        summaries = [prediction.summary() for prediction in result.predictions]
        typer.echo(json.dumps({"scenes": summaries, "failed": failed} if out_dir else summaries[0]))
    elif not quiet:
        for prediction in result.predictions:
            typer.echo(_sentence(prediction))
    if failed:
        raise GeoshipsError(f"{len(failed)} of {len(jobs)} scenes failed: {', '.join(failed)}")


def _run(jobs: Sequence[SceneJob], config: PredictConfig, progress: Lines) -> BatchResult:
    """Run all jobs; a lone job's error is raised, one of many is printed at once."""
    from geoships.pipeline.batch import predict_many

    def on_failure(failure: SceneFailure) -> None:
        if len(jobs) == 1:
            raise failure.error
        typer.echo(f"error: {failure.scene}: {' '.join(str(failure.error).split())}", err=True)

    overlap = not isinstance(progress, JsonLines)  # programs that read JSON lines hear of one scene at a time
    return predict_many(jobs, config, progress, overlap=overlap, on_failure=on_failure)


def _check_names(single: Outputs, out_dir: Path | None, out_format: str) -> None:
    """Whether outputs are named in one of the two ways, before anything is searched."""
    named = single.out or single.mask or single.scores or single.preview
    if out_dir is None:
        if not named:
            raise typer.BadParameter(
                "name an output: --out, --mask, --scores, --preview or --out-dir", param_hint="--out"
            )
    elif named or single.stac or single.project:
        raise typer.BadParameter(
            "--out-dir names all outputs itself; leave out --out, --mask, --scores, --preview, --stac and --project"
        )
    elif out_format not in FORMATS:
        raise typer.BadParameter(f"choose one of {', '.join(FORMATS)}", param_hint="--format")


def _jobs(
    scenes: Sequence[str | BandFiles],
    single: Outputs,
    out_dir: Path | None,
    out_format: str,
    rasters: bool,
    previews: bool,
    items: bool,
) -> list[SceneJob]:
    if out_dir is None and len(scenes) > 1:
        raise typer.BadParameter("several scenes need --out-dir", param_hint="--out-dir")
    from geoships.pipeline.batch import SceneJob, plan_outputs

    if out_dir is None:
        return [SceneJob(scenes[0], **vars(single))]
    try:
        return plan_outputs(scenes, out_dir, format=out_format, rasters=rasters, previews=previews, items=items)
    except OutputError as error:
        raise typer.BadParameter(str(error)) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GeoshipsError(f"cannot make the folder {path}: {error.strerror or error}") from error


def _sentence(result: Prediction) -> str:
    files = ", ".join(str(path) for path in result.outputs.values())
    count = len(result.ships)
    return f"{result.scene}: {count} ship{'' if count == 1 else 's'} in {result.seconds:.1f} s -> {files}"
