"""`geoships view`: ships and their scene as a web page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options


def view(
    ships: Annotated[Path, typer.Argument(help="Ships: .geojson, .gpkg, .fgb or .parquet.")],
    scene: Annotated[str, typer.Option(help="The scene that they were found in.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write, .html.", show_default="beside the ships")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(help="Bands to show as red, green, blue, or one in grey, e.g. 3,2,1.", show_default="by name"),
    ] = None,
    trust_vrt: options.TrustVrt = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Write one HTML page with the scene and its ships, which opens in any browser, offline."""
    from geoships.workflows.view import write_view

    written = write_view(
        ships, scene, out or ships.with_suffix(".html"), bands=options.split_bands(bands), trust_vrt=trust_vrt
    )
    outside = written.ships - written.in_scene
    if outside and not quiet:
        typer.echo(f"warning: {outside} of {written.ships} ships lie outside {scene}: is it their scene?", err=True)
    if as_json:
        facts = {"ships": written.ships, "chips": written.chips, "in_scene": written.in_scene}
        typer.echo(json.dumps({"page": str(written.page), **facts, "bytes": written.bytes}))
    elif not quiet:
        typer.echo(
            f"{written.ships} ship{'' if written.ships == 1 else 's'}, {written.chips} with a picture, "
            f"{written.bytes / 1e6:.1f} MB -> {written.page}"
        )
