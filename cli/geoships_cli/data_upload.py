"""`geoships data upload`: register a data set where a team keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options


def upload(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set, such as geoships data split writes.")],
    name: Annotated[str, typer.Option(help="Of the data set.")],
    to: Annotated[str, typer.Option(help="Where to: clearml.")] = "clearml",
    project: Annotated[str, typer.Option(help="That it belongs to.")] = "geoships",
    version: Annotated[str | None, typer.Option(help="Such as 1.2.0.", show_default="the next one")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Where files go, e.g. s3://BUCKET/FOLDER.", show_default="ClearML's server")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Register a folder as a data set of ClearML, with all its files."""
    if to != "clearml":
        raise typer.BadParameter("choose clearml", param_hint="--to")
    from geoships.datasets.upload import upload_clearml

    done = upload_clearml(folder, name=name, project=project, version=version, storage=storage)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    elif not quiet:
        where = "kept offline, to be imported" if done.offline else "registered"
        typer.echo(f"{project}/{name}: {done.files} files ({done.size / 1e6:.1f} MB) {where} -> {done.id}")
