"""`geoships view`: ships and their scene as a web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def view(
    ships: Annotated[Path, typer.Argument(help="Ships: .geojson, .gpkg, .fgb or .parquet")],
    scene: Annotated[str, typer.Option(help="The scene in which they were found")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write (.html)", show_default="next to the ships")
    ] = None,
    bands: options.ShownBands = None,
    trust_vrt: options.TrustVrt = None,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Write one HTML page with the scene and its ships, which opens in any browser, offline."""
    from geoships.workflows.view import write_view

    page = write_view(
        ships, scene, out or ships.with_suffix(".html"), bands=options.split_bands(bands), trust_vrt=bool(trust_vrt),
        overwrite=overwrite,
    )  # fmt: skip
    for text in () if run.quiet else page.warnings:
        typer.echo(f"warning: {text}", err=True)
    outside = page.ships - page.in_scene
    if outside and not run.quiet:
        typer.echo(f"warning: {outside} of {page.ships} ships lie outside {scene}: is it their scene?", err=True)
    counts = {"ships": page.ships, "chips": page.chips, "in_scene": page.in_scene}
    run.report(
        {"page": str(page.page), **counts, "bytes": page.bytes},
        f"{page.ships} ship{'' if page.ships == 1 else 's'}, {page.chips} with an image, "
        f"{page.bytes / 1e6:.1f} MB -> {page.page}",
    )
