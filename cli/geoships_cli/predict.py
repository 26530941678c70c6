"""`geoships predict`: find the ships of one or many scenes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli import options
from geoships_cli.batch_options import BatchOptions
from geoships_cli.batch_run import predict_scenes, print_plan, unread_text
from geoships_cli.chip_folder import chip_folder, predict_folder
from geoships_cli.failures import PartialFailureError
from geoships_cli.option_groups import grouped
from geoships_cli.scene_search import SearchOptions, area_file, find_scenes

if TYPE_CHECKING:
    from geoships.config import PredictConfig
    from geoships.pipeline.predict import Prediction
    from geoships.scene.listing.listed import Listing


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
    """Find the ships of one scene (--out) or of many (--out-dir)."""
    outputs.check()
    run.check(outputs)
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
    read = [config_file] if config_file else []
    with area_file(config.area, search.bbox) as area:
        box = area is not None and config.area is None  # that of a search, which is given again with --bbox
        config = config.model_copy(update={"area": area})
        if outputs.out_dir is None:
            _predict_one(found, outputs, config, run, read=read, box=box)
        else:
            predict_scenes(found, outputs, config, run, read=read, box=box)


def _predict_one(
    found: Listing, outputs: options.OutputOptions, config: PredictConfig, run: BatchOptions, *, read: list[Path],
    box: bool,
) -> None:  # fmt: skip
    """Find the ships of one scene. read: files that no output may replace. box: whether the area is that of a search.

    Raises:
        GeoshipsError: The scene failed; PartialFailureError where parts of it could not be read.
    """
    from geoships.pipeline.batch import SceneJob, predict_many
    from geoships.pipeline.record import without_area
    from geoships.support.overwrite import refuse_overwrites

    job = SceneJob(found.scenes[0].scene, **outputs.of_one_scene())
    if run.dry_run:
        print_plan(found, [job], None, config, run)
        return
    refuse_overwrites(job.outputs.values(), read, overwrite=True)
    with run.progress_display() as progress:
        result = predict_many([job], config, progress)
    if result.failures:
        raise result.failures[0].error
    (prediction,) = result.predictions
    summary = without_area(prediction.summary()) if box else prediction.summary()
    run.report(summary, _sentence(prediction))
    if prediction.unread:
        raise PartialFailureError(unread_text(prediction.scene, prediction.unread))


def _sentence(prediction: Prediction) -> str:
    files = ", ".join(str(path) for path in prediction.outputs.values())
    count = len(prediction.ships)
    return f"{prediction.scene}: {count} ship{'' if count == 1 else 's'} in {prediction.seconds:.1f} s -> {files}"
