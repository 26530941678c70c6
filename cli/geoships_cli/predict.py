"""`geoships predict`: find the ships of one or many scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from geoships_cli import options
from geoships_cli.batch_options import BatchOptions
from geoships_cli.batch_run import predict_scenes, print_plan, unread_text
from geoships_cli.chip_folder import chip_folder, predict_folder
from geoships_cli.failures import PartialFailureError
from geoships_cli.option_groups import grouped
from geoships_cli.scene_search import SearchOptions, area_file, find_scenes
from geoships_cli.ship_table import ship_lines

if TYPE_CHECKING:
    from geoships.config import PredictConfig
    from geoships.scene.listing.listed import Listing

Printed = Literal["ships", "table", "summary"]
NOTHING_TO_DO = "holds the result of this very run already: nothing to do; --overwrite makes it again"


@grouped
def predict(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, patterns, @LIST, -, URLs, STAC or CSV; or chips"),
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
    run: BatchOptions,
) -> None:
    """Find the ships of one scene, or of many with --out-dir; without an output they are listed, too."""
    outputs.check()
    run.check(outputs)
    if outputs.to_stdout and run.as_json:
        raise typer.BadParameter("--out - and --json both write to standard output; give one", param_hint="--out")
    from geoships.config import predict_config

    settings = options.settings_of(scene, inference, ships, speed)
    config = predict_config(config_file, model=model, style=outputs.style, overwrite=outputs.overwrite, **settings)
    if outputs.out_dir is None and (folder := chip_folder(scenes)):
        if run.dry_run:
            raise typer.BadParameter("--dry-run is for scenes, not for a folder of chips", param_hint="--dry-run")
        predict_folder(folder, outputs, config, run)
        return
    with run.progress_display() as progress:
        found = find_scenes(scenes, search, out_dir=outputs.out_dir, progress=progress)
    if outputs.out_dir is None and len(found.scenes) > 1:
        raise typer.BadParameter("several scenes need --out-dir", param_hint="--out-dir")
    if outputs.to_stdout:
        config = config.model_copy(update={"style": False})
    read = [config_file] if config_file else []
    with area_file(config.area, search.bbox) as area:
        box = area is not None and config.area is None  # that of a search, which is given again with --bbox
        config = config.model_copy(update={"area": area})
        if outputs.out_dir is not None:
            predict_scenes(found, outputs, config, run, read=read, box=box)
            return
        printed: Printed = "ships" if outputs.to_stdout else "table" if outputs.names_no_result else "summary"
        with _on_stdout(_named(found, outputs)) as files:
            _predict_one(found, files, config, run, read=read, box=box, printed=printed)


def _named(found: Listing, outputs: options.OutputOptions) -> options.OutputOptions:
    """The outputs, with a vector file in the current folder where none names a result."""
    from geoships.scene.opening.names import stem_of

    if not outputs.names_no_result:
        return outputs
    return replace(outputs, out=Path(f"{stem_of(str(found.scenes[0].scene))}.ships.geojson"))


@contextmanager
def _on_stdout(outputs: options.OutputOptions) -> Iterator[options.OutputOptions]:
    """Yield the outputs with a temporary file for standard output, to which it is copied at the end of the block."""
    if not outputs.to_stdout:
        yield outputs
        return
    with TemporaryDirectory(prefix="geoships-") as folder:
        path = Path(folder) / "ships.geojson"
        try:
            yield replace(outputs, out=path)
        finally:
            if path.exists():  # also where parts of the scene could not be read
                typer.echo(path.read_bytes(), nl=False)


def _predict_one(
    found: Listing, outputs: options.OutputOptions, config: PredictConfig, run: BatchOptions, *, read: list[Path],
    box: bool, printed: Printed,
) -> None:  # fmt: skip
    """Find the ships of one scene.

    Args:
        found: The scene.
        outputs: The files to write.
        config: Settings.
        run: How the run is reported.
        read: Files that no output may replace.
        box: Whether the area is that of a search, which is given again with --bbox.
        printed: What goes to standard output: the ships themselves, a table of them and the summary, or the summary.

    Raises:
        GeoshipsError: The scene failed; PartialFailureError where parts of it could not be read.
    """
    from geoships.pipeline.batch import SceneJob, predict_many
    from geoships.pipeline.kept import keep_result, kept_result
    from geoships.pipeline.record import without_area
    from geoships.support.files import noted_files
    from geoships.support.overwrite import refuse_overwrites, some_of

    job = SceneJob(found.scenes[0].scene, **outputs.of_one_scene())
    if run.dry_run:
        print_plan(found, [job], None, config, run)
        return
    refuse_overwrites(job.outputs.values(), read, overwrite=True)
    with run.progress_display() as progress, noted_files() as files:
        kept = kept_result(job, config)
        if kept is None:
            result = predict_many([job], config, progress)
        else:
            progress.note(f"{some_of([*job.outputs.values()])} {NOTHING_TO_DO}")
    if kept is not None:
        run.report(kept.summary, "\n".join([*(kept.table if printed == "table" else []), _sentence(kept.summary)]))
        return
    if result.failures:
        raise result.failures[0].error
    (prediction,) = result.predictions
    summary, seconds = prediction.summary(), f" in {prediction.seconds:.1f} s"
    if printed == "ships":
        if not run.quiet:
            typer.echo(f"{prediction.scene}: {_count(summary)}{seconds}", err=True)
    else:
        summary, table = without_area(summary) if box else summary, ship_lines(prediction.ships)
        keep_result(job, prediction, summary, files, table)
        run.report(summary, "\n".join([*(table if printed == "table" else []), _sentence(summary, seconds)]))
    if prediction.unread:
        raise PartialFailureError(unread_text(prediction.scene, prediction.unread))


def _sentence(summary: Mapping[str, Any], seconds: str = "") -> str:
    return f"{summary['scene']}: {_count(summary)}{seconds} -> {', '.join(summary['outputs'].values())}"


def _count(summary: Mapping[str, Any]) -> str:
    count = summary["ships"]
    return f"{count} ship{'' if count == 1 else 's'}"
