"""`geoships screen`: a model learns to skip tiles without ships."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.progress import progress_display


def screen(
    bundle: Annotated[str, typer.Argument(help="Installed model, bundle folder or bundle zip.")],
    scenes: Annotated[list[str], typer.Option(help="Labelled scenes: files, folders or patterns; repeat.")],
    labels: Annotated[list[Path], typer.Option(help="Labels of --scenes, paired by name; repeat.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bundle to write: a folder, or a zip file (.zip).")],
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Name of a scene that sets the threshold only; repeat.", show_default="each in turn"),
    ] = None,
    ignore: Annotated[list[Path] | None, typer.Option(help="Polygons that say nothing about ships; repeat.")] = None,
    share: Annotated[
        float, typer.Option(min=0.5, max=1, help="Least share of held-out ships that pass by themselves.")
    ] = 0.995,
    bands: options.Bands = None,
    scale: options.Scale = None,
    offset: options.Offset = None,
    sensor: options.Sensor = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a screen to a bundle: it tells in a few percent of a model's time which tiles hold no ship."""
    from geoships.config import predict_config
    from geoships.model.bundle import load_bundle
    from geoships.workflows.fit_screen import fit_screen

    config = predict_config(
        None, bands=options.split_bands(bands), scale=scale, offset=offset, sensor=sensor, device="cpu"
    )
    with closing(progress_display(quiet=quiet)) as progress:
        done = fit_screen(
            load_bundle(bundle), out, scenes, labels, ignore=ignore or (), held_out=held_out or (), share=share,
            config=config, progress=progress,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"bundle": str(out), "tiles": done.tiles, **done.card.model_dump()}))
    elif not quiet:
        typer.echo(f"{bundle} -> {out}: {done}")
