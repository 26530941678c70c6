"""`geoships predict`: find the ships of one or many scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError, OutputError
from geoships_cli import options
from geoships_cli.chip_folder import chip_folder, predict_folder
from geoships_cli.failures import PartialFailureError, print_error
from geoships_cli.option_groups import grouped
from geoships_cli.progress import JsonLines, Lines
from geoships_cli.scene_search import SearchOptions, area_file, find_scenes
from geoships_cli.ship_table import ship_lines

if TYPE_CHECKING:
    from geoships.config import PredictConfig
    from geoships.pipeline.batch import BatchResult, SceneFailure, SceneJob
    from geoships.pipeline.predict import Prediction
    from geoships.scene.opening.band_files import BandFiles


@grouped
def predict(
    scenes: Annotated[
        list[str] | None, typer.Argument(help="Scenes (paths, URLs, STAC Items), or one folder of chips")
    ] = None,
    *,
    outputs: options.OutputOptions,
    search: SearchOptions,
    scene: options.PredictSceneOptions,
    model: options.Model = None,
    inference: options.InferenceOptions,
    ships: options.PredictShipOptions,
    speed: options.PredictSpeedOptions,
    config_file: options.ConfigFile = None,
    run: options.ProgressRunOptions,
) -> None:
    """Find the ships of one scene, or of many with --out-dir; without an output they are listed, too."""
    with run.progress_display() as progress:
        outputs.check()
        if outputs.to_stdout and run.as_json:
            raise typer.BadParameter("--out - and --json both write to standard output; give one", param_hint="--out")
        found = find_scenes(scenes, search, several=outputs.out_dir is not None, progress=progress)
    if outputs.out_dir is None and len(found) > 1:
        raise typer.BadParameter("several scenes need --out-dir", param_hint="--out-dir")
    from geoships.config import predict_config

    settings = options.settings_of(scene, inference, ships, speed)
    config = predict_config(config_file, model=model, style=outputs.style, overwrite=outputs.overwrite, **settings)
    if folder := chip_folder(found):
        predict_folder(folder, outputs, config, run)
        return
    if outputs.to_stdout:
        config = config.model_copy(update={"style": False})
    with area_file(config.area, search.bbox) as area, _on_stdout(outputs) as files:
        jobs = _plan(found, files)
        if config_file:
            _keep_settings(config_file, jobs)
        with run.progress_display() as progress:
            result = _run(jobs, config.model_copy(update={"area": area}), progress)
    _report(result, outputs, run, box=area is not None and config.area is None)


def _plan(scenes: Sequence[str | BandFiles], outputs: options.OutputOptions) -> list[SceneJob]:
    """Return the scenes with the files to write for each."""
    from geoships.pipeline.batch import SceneJob, plan_outputs
    from geoships.scene.opening.names import stem_of

    if outputs.names_no_result:
        outputs = replace(outputs, out=Path(f"{stem_of(str(scenes[0]))}.ships.geojson"))
    if outputs.out_dir is None:
        return [SceneJob(scenes[0], **outputs.of_one_scene())]
    try:
        jobs = plan_outputs(
            scenes, outputs.out_dir, format=outputs.out_format, rasters=outputs.rasters, previews=outputs.previews,
            items=outputs.items,
        )  # fmt: skip
    except OutputError as error:
        raise typer.BadParameter(str(error)) from error
    _make_folder(outputs.out_dir)
    return jobs


def _keep_settings(config_file: Path, jobs: Sequence[SceneJob]) -> None:
    """Refuse an output that is the file of settings."""
    from geoships.support.overwrite import refuse_overwrites

    refuse_overwrites((path for job in jobs for path in job.outputs.values()), [config_file], overwrite=True)


@contextmanager
def _on_stdout(outputs: options.OutputOptions) -> Iterator[options.OutputOptions]:
    """Yield the outputs with a temporary file for standard output, to which it is copied at the end of the block."""
    if not outputs.to_stdout:
        yield outputs
        return
    with TemporaryDirectory(prefix="geoships-") as folder:
        path = Path(folder) / "ships.geojson"
        yield replace(outputs, out=path)
        typer.echo(path.read_bytes(), nl=False)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror or error}; choose another") from error


def _run(jobs: Sequence[SceneJob], config: PredictConfig, progress: Lines) -> BatchResult:
    """Run all scenes. The error of a lone one is raised, that of one of many is printed at once."""
    from geoships.pipeline.batch import predict_many

    def on_failure(failure: SceneFailure) -> None:
        if len(jobs) == 1:
            raise failure.error
        print_error(failure.error, failure.scene)

    overlap = not isinstance(progress, JsonLines)  # programs that read JSON lines hear of one scene at a time
    return predict_many(jobs, config, progress, overlap=overlap, on_failure=on_failure)


def _report(result: BatchResult, outputs: options.OutputOptions, run: options.RunOptions, *, box: bool = False) -> None:
    """Print what was found. box: whether the area was the box of a search, which is given again with --bbox.

    Raises:
        GeoshipsError: Scenes failed; PartialFailureError where others are done.
    """
    summaries = [prediction.summary() for prediction in result.predictions]
    if box:
        from geoships.pipeline.record import without_area

        summaries = [without_area(summary) for summary in summaries]
    failed = [failure.scene for failure in result.failures]
    summary = {"scenes": summaries, "failed": failed} if outputs.out_dir else summaries[0]
    if outputs.to_stdout:
        if not run.quiet:
            typer.echo(f"{result.predictions[0].scene}: {_count(result.predictions[0])}", err=True)
    elif run.as_json or result.predictions:
        lines = ship_lines(result.predictions[0].ships) if outputs.names_no_result else []
        run.report(summary, "\n".join([*lines, *map(_sentence, result.predictions)]))
    if failed:
        kind = PartialFailureError if summaries else GeoshipsError
        raise kind(f"{len(failed)} of {len(failed) + len(summaries)} scenes failed: {', '.join(failed)}")
    if partly := [prediction for prediction in result.predictions if prediction.unread]:
        raise PartialFailureError("; ".join(_unread(prediction) for prediction in partly))


def _unread(prediction: Prediction) -> str:
    from geoships.pipeline.messages import window_text

    first, *others = prediction.unread
    more = f" and {len(others)} more" if others else ""
    return f"{prediction.scene} was read in part, without {window_text(first)}{more}: see unread in the JSON summary"


def _sentence(prediction: Prediction) -> str:
    files = ", ".join(str(path) for path in prediction.outputs.values())
    return f"{prediction.scene}: {_count(prediction)} -> {files}"


def _count(prediction: Prediction) -> str:
    count = len(prediction.ships)
    return f"{count} ship{'' if count == 1 else 's'} in {prediction.seconds:.1f} s"
