"""`geoships demo`: a rendered harbour, the installed model, and an image of what it found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def demo(
    out_dir: Annotated[
        Path,
        typer.Option(
            help="Folder for all files; in the default one each run replaces them", rich_help_panel=options.OUTPUTS
        ),
    ] = Path("data/demo"),
    overwrite: options.Overwrite = False,
    seed: Annotated[int, typer.Option(help="Random seed of the harbour", rich_help_panel=options.SCENE)] = 7,
    size: Annotated[
        int, typer.Option(min=256, max=8192, help="Rows and columns of the scene", rich_help_panel=options.SCENE)
    ] = 2048,
    model: options.Model = None,
    device: options.Device = None,
    *,
    run: options.RunOptions,
) -> None:
    """Render a harbour with known ships, find them, and show the result."""
    from geoships.config import predict_config
    from geoships.workflows.demo import run_demo

    config = predict_config(model=model, device=device)
    with run.progress_display() as progress:
        result = run_demo(out_dir, seed=seed, size=size, config=config, progress=progress, overwrite=overwrite)
    run.report(result.summary(), result.report())
