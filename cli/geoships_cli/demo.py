"""`geoships demo`: a rendered harbour, the installed model, and a picture of what it found."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.progress import progress_display


def demo(
    out_dir: Annotated[Path, typer.Option(help="Folder for the scene and all outputs.")] = Path("data/demo"),
    seed: Annotated[int, typer.Option(help="Number of the harbour; each one differs.")] = 7,
    size: Annotated[int, typer.Option(min=256, max=8192, help="Rows and columns of the scene.")] = 2048,
    model: options.Model = None,
    device: options.Device = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Render a harbour with known ships, find them, and show the result."""
    from geoships.config import predict_config
    from geoships.workflows.demo import run_demo

    with closing(progress_display(quiet=quiet)) as progress:
        result = run_demo(
            out_dir, seed=seed, size=size, config=predict_config(model=model, device=device), progress=progress
        )
    if as_json:
        typer.echo(json.dumps(result.summary()))
    elif not quiet:
        typer.echo(result.report())
