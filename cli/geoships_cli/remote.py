"""`geoships remote`: scenes that a service computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoships.errors import GeoshipsError
from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.service.client import RemoteJob

remote = typer.Typer(name="remote", help="Let a service compute scenes.", no_args_is_help=True)


@remote.callback()
def _group() -> None:
    """Let a service compute scenes."""


@dataclass(frozen=True)
class RemoteOutputs:
    """The files to write."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Ships: .geojson, .gpkg, .fgb, .parquet, .csv or .kml",
            show_default="SCENE.ships.geojson here", rich_help_panel=options.OUTPUTS,
        ),
    ] = None  # fmt: skip
    mask: Annotated[Path | None, typer.Option(help="Ship mask (.tif)", rich_help_panel=options.OUTPUTS)] = None
    scores: Annotated[Path | None, typer.Option(help="Scores (.tif)", rich_help_panel=options.OUTPUTS)] = None
    preview: Annotated[
        Path | None, typer.Option(help="Image of the scene with its ships (.png)", rich_help_panel=options.OUTPUTS)
    ] = None
    overwrite: options.Overwrite = False

    def files(self) -> dict[str, Path]:
        """Return the files beside the ships, by the name that a job has for them."""
        wanted = {"mask.tif": self.mask, "scores.tif": self.scores, "preview.png": self.preview}
        return {name: path for name, path in wanted.items() if path is not None}


@remote.command("predict")
@grouped
def remote_predict(
    scene: Annotated[list[str], typer.Argument(help="A file, files of one band each, or an address")],
    server: Annotated[
        str, typer.Option(help="Address of the service, e.g. https://ships.example.org", envvar="GEOSHIPS_SERVER")
    ],
    key: Annotated[str | None, typer.Option(help="Key of the service", envvar="GEOSHIPS_KEY")] = None,
    area: options.Area = None,
    *,
    outputs: RemoteOutputs,
    reading: options.SceneOptions,
    inference: options.InferenceOptions,
    ships: options.OutlineOptions,
    run: options.ProgressRunOptions,
) -> None:
    """Send a scene to a service, wait for it, and take its ships."""
    from geoships.service.client import Client
    from geoships.support.overwrite import refuse_overwrites

    target = outputs.out or Path(f"{Path(scene[0].partition('?')[0]).stem}.ships.geojson")
    files = outputs.files()
    refuse_overwrites([target, *files.values()], [Path(name) for name in scene], overwrite=outputs.overwrite)
    given = {**options.settings_of(reading, inference, ships), "area": area}
    if given.pop("trust_vrt", None):
        raise GeoshipsError("--trust-vrt: a service takes no VRT; send its files")
    with Client(server, key) as client, run.progress_display() as shown:
        job = client.submit(scene, progress=shown, **given)
        job.wait(progress=shown)
        written = [_ships(job, target), *(job.download(name, path) for name, path in files.items())]
    result: dict[str, Any] = dict(job.status["result"])
    summary = {"job": job.id, "scene": scene[0], **result, "outputs": [str(path) for path in written]}
    run.report(summary, f"{job.status['title']}: {result['ships']} ships -> {', '.join(map(str, written))}")


def _ships(job: RemoteJob, path: Path) -> Path:
    """Write the ships: GeoJSON and GeoParquet as the service has them, other forms as it exports them."""
    names = {".geojson": "ships.geojson", ".json": "ships.geojson", ".parquet": "ships.parquet"}
    name = names.get(path.suffix.lower())
    return job.download(name, path) if name else job.export(path)
