"""`geoships watch`: new scenes as they come, rules over their ships, and messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.watch.sources import Source
    from geoships.watch.watch import WatchRound

SCENES, TIMES = "Scenes", "Times"


@dataclass(frozen=True)
class SourceOptions:
    """A catalogue, in place of a folder."""

    stac_api: Annotated[str | None, typer.Option(help="Search scenes in this STAC API", rich_help_panel=SCENES)] = None
    collection: Annotated[
        list[str] | None, typer.Option(help="With --stac-api: collection id; repeatable", rich_help_panel=SCENES)
    ] = None
    days: Annotated[float, typer.Option(min=0, help="With --stac-api: days back to search", rich_help_panel=SCENES)] = (
        30.0
    )
    max_cloud: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="With --stac-api: maximum cloud cover in percent", rich_help_panel=SCENES),
    ] = None


@grouped
def watch(
    area: Annotated[Path, typer.Option("--aoi", help="Polygons to watch: a vector file")],
    rules: Annotated[Path, typer.Option(help="Rules and channels: a YAML file, e.g. configs/watch.yaml")],
    out_dir: Annotated[Path, typer.Option(help="Folder of ships, pictures, and of what was done and sent")],
    folder: Annotated[Path | None, typer.Argument(help="Folder in which scenes appear")] = None,
    every: Annotated[
        float, typer.Option(min=0.01, help="Minutes from one look to the next", rich_help_panel=TIMES)
    ] = 10.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, and end: for cron and the like", rich_help_panel=TIMES)
    ] = False,
    model: options.Model = None,
    device: options.Device = None,
    *,
    source: SourceOptions,
    run: options.ProgressRunOptions,
) -> None:
    """Watch for new scenes, and send a message for each ship for which a rule holds."""
    from geoships.config import PredictConfig
    from geoships.config.watch import watch_config
    from geoships.watch.watch import Watch, read_area_shape

    config = watch_config(rules)
    scenes = _source(folder, source, read_area_shape(area).bounds, out_dir, config.settle_seconds)
    given = {name: value for name, value in (("model", model), ("device", device)) if value is not None}
    with (
        run.progress_display() as progress,
        Watch(
            scenes, area, out_dir, config, PredictConfig.model_validate({"style": False, **given}), progress
        ) as watching,
    ):
        if not once:
            for found in watching.run(every * 60):
                if not run.quiet:
                    typer.echo(_sentence(found), err=True)
        found = watching.round()
        counts = watching.counts()
    run.report({**found.summary(), **counts}, _sentence(found))
    if found.reason:
        raise GeoshipsError(found.reason)


def _source(
    folder: Path | None,
    source: SourceOptions,
    bounds: tuple[float, float, float, float],
    out_dir: Path,
    settle: float,
) -> Source:
    from geoships.watch.sources import FolderSource, StacSource

    if (folder is None) == (source.stac_api is None):
        raise typer.BadParameter("name a folder, or search with --stac-api", param_hint="FOLDER")
    if folder is not None:
        if source.collection or source.max_cloud is not None:
            raise typer.BadParameter("--collection and --max-cloud belong to --stac-api", param_hint="--stac-api")
        return FolderSource(folder, out_dir, settle)
    assert source.stac_api is not None
    if not source.collection:
        raise typer.BadParameter("a search needs --collection", param_hint="--collection")
    return StacSource(source.stac_api, tuple(source.collection), bounds, source.days, source.max_cloud)


def _sentence(found: WatchRound) -> str:
    """What one look did, for people."""
    parts = [f"{found.done} new scene{'' if found.done == 1 else 's'}", f"{len(found.alerts)} alerts"]
    parts += [f"{found.sent} messages sent"]
    parts += [
        f"{count} {what}" for count, what in ((found.failed, "failed"), (found.outside, "outside the area")) if count
    ]
    parts += [f"{found.unsent} not taken yet"] if found.unsent else []
    return ", ".join(parts) + (f"; failed: {found.reason}" if found.reason else "")
