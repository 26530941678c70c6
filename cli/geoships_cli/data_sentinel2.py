"""`geoships data sentinel2`: a scene of Sentinel-2 from a STAC API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped
from geoships_cli.scene_search import Box

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
SUFFIXES = (".tif", ".tiff")


@grouped
def sentinel2(
    bbox: Annotated[Box, typer.Option(help="Bounding box: west south east north in degrees", metavar="W S E N")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Scene to write, a Cloud Optimized GeoTIFF (.tif)")],
    date: Annotated[
        str | None, typer.Option("--date", "--datetime", help="DATE or DATE/DATE", show_default="any")
    ] = None,
    bands: Annotated[
        str, typer.Option(help="Common names of bands, or those of Sentinel-2")
    ] = "blue,green,red,nir,swir16",
    max_cloud: Annotated[float | None, typer.Option(min=0, max=100, help="Maximum cloud cover in percent")] = None,
    stac_api: Annotated[str, typer.Option("--stac-api", help="STAC API to search")] = EARTH_SEARCH,
    collection: Annotated[
        list[str] | None, typer.Option(help="Collection id; repeatable", show_default="sentinel-2-l2a")
    ] = None,
    overwrite: options.Overwrite = False,
    *,
    run: options.ProgressRunOptions,
) -> None:
    """Download the best pass of Sentinel-2 over a box as one scene: largest coverage, then fewest clouds."""
    if out.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter("the name has to end with .tif", param_hint="--out")
    from geoships.datasets.sentinel2 import check_box, choose_pass, open_mosaic
    from geoships.scene.opening.stac_search import Search, find_items
    from geoships.support.files import reserve
    from geoships.support.overwrite import refuse_overwrites

    started = time.monotonic()
    check_box(bbox)
    reserve(out)  # a missing folder is an error before anything is searched
    refuse_overwrites([out], overwrite=overwrite)
    with run.progress_display() as progress:
        items = find_items(Search(stac_api, tuple(collection or ["sentinel-2-l2a"]), bbox, date, max_cloud))
        chosen = choose_pass(items, bbox)
        mosaic = open_mosaic(chosen, [name.strip() for name in bands.split(",") if name.strip()], bbox)
        progress.note(f"{len(items)} item{'' if len(items) == 1 else 's'} found; taken:")
        for item in chosen:
            if item.name in mosaic.names:
                progress.note(f"  {item}")
        for text in mosaic.warnings:
            progress.warn(text)
        layout = mosaic.layout
        progress.start(str(out), layout.height * layout.width)
        mosaic.write(out, progress.advance)
    seconds = time.monotonic() - started
    facts = {"scene": str(out), "items": mosaic.names, "bands": layout.bands, "datetime": mosaic.acquired,
             "rows": layout.height, "columns": layout.width, "scale": layout.scale, "offset": layout.offset,
             "warnings": mosaic.warnings, "seconds": round(seconds, 3)}  # fmt: skip
    run.report(facts, f"{layout.width} columns x {layout.height} rows in {seconds:.1f} s -> {out}")
