"""`geoships data upload`: register a data set with ClearML."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def upload(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set, e.g. of geoships data split")],
    name: Annotated[str, typer.Option(help="Name of the data set")],
    to: Annotated[Literal["clearml"], typer.Option(help="Service to register with")] = "clearml",  # noqa: ARG001
    project: Annotated[str, typer.Option(help="Project of the data set")] = "geoships",
    version: Annotated[str | None, typer.Option(help="Version, e.g. 1.2.0", show_default="the next one")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Storage of the files, e.g. s3://BUCKET/FOLDER", show_default="ClearML's server")
    ] = None,
    *,
    run: options.RunOptions,
) -> None:
    """Register a folder as a data set of ClearML, with all its files."""
    from geoships.datasets.upload import upload_clearml

    result = upload_clearml(folder, name=name, project=project, version=version, storage=storage)
    state = "kept offline, to be imported" if result.offline else "registered"
    text = f"{project}/{name}: {result.files} files ({result.size / 1e6:.1f} MB) {state} -> {result.id}"
    run.report(asdict(result), text)
