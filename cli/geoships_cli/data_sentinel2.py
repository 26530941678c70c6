"""`geoships data sentinel2`: a scene of Sentinel-2 from a STAC API."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options, sources
from geoships_cli.progress import Display, progress_display

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
SUFFIXES = (".tif", ".tiff")


def sentinel2(
    bbox: Annotated[sources.Box, typer.Option(help="West, south, east, north in degrees.", metavar="W S E N")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The scene as a Cloud Optimized GeoTIFF (.tif).")],
    date: Annotated[
        str | None, typer.Option("--date", "--datetime", help="A date, or DATE/DATE.", show_default="any")
    ] = None,
    bands: Annotated[str, typer.Option(help="Common names, or Sentinel-2's own.")] = "blue,green,red,nir,swir16",
    max_cloud: Annotated[float | None, typer.Option(min=0, max=100, help="Greatest cloud cover, percent.")] = None,
    stac_api: Annotated[str, typer.Option("--stac-api", help="STAC API to search.")] = EARTH_SEARCH,
    collection: Annotated[
        list[str] | None, typer.Option(help="A collection's id.", show_default="sentinel-2-l2a")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    progress_as: options.Progress = Display.auto,
) -> None:
    """Fetch the best pass of Sentinel-2 over a box as one scene: the most of the box, then the fewest clouds."""
    if out.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter("the name has to end with .tif", param_hint="--out")
    from geoships.datasets.sentinel2 import check_box, choose_pass, open_mosaic
    from geoships.scene.opening.stac_search import Search, find_items
    from geoships.support.files import reserve

    started = time.monotonic()
    check_box(bbox)
    reserve(out)  # a folder that is missing is told of before anything is searched
    with closing(progress_display(quiet=quiet, display=progress_as)) as progress:
        found = find_items(Search(stac_api, tuple(collection or ["sentinel-2-l2a"]), bbox, date, max_cloud))
        taken = choose_pass(found, bbox)
        mosaic = open_mosaic(taken, [name.strip() for name in bands.split(",") if name.strip()], bbox)
        progress.note(f"{len(found)} item{'' if len(found) == 1 else 's'} found; taken:")
        for item in taken:
            if item.name in mosaic.names:
                progress.note(f"  {item}")
        for text in mosaic.warnings:
            progress.warn(text)
        layout = mosaic.layout
        progress.start(str(out), layout.height * layout.width)
        mosaic.write(out, progress.advance)
    seconds = time.monotonic() - started
    if as_json:
        facts = {"scene": str(out), "items": mosaic.names, "bands": layout.bands, "datetime": mosaic.acquired,
                 "rows": layout.height, "columns": layout.width, "scale": layout.scale, "offset": layout.offset,
                 "warnings": mosaic.warnings, "seconds": round(seconds, 3)}  # fmt: skip
        typer.echo(json.dumps(facts))
    elif not quiet:
        typer.echo(f"{layout.width} columns x {layout.height} rows in {seconds:.1f} s -> {out}")
