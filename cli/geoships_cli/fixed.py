"""`geoships fixed`: what stands at one place on many passes, and where ships come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli.option_groups import grouped
from geoships_cli.options import Overwrite, RunOptions
from geoships_cli.pass_files import PassShips, warn_of_unobserved


@grouped
def fixed(
    ships: PassShips,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Structures, still ships and berths to write (.gpkg)")],
    passes: Annotated[
        int, typer.Option(min=2, help="Passes that must have seen a structure, with the same outline")
    ] = 3,
    distance: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Metres between its centres in two passes, at most")
    ] = 30.0,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the passes over its place that must have found it")
    ] = 0.5,
    overwrite: Overwrite = False,
    run: RunOptions,
) -> None:
    """Tell structures from ships: what stands still over many passes, what left, and where ships come and go."""
    from geoships.output.geopackage import check_files
    from geoships.places.fixed import find_fixed
    from geoships.places.layers import write_fixed
    from geoships.places.settings import FixedSettings
    from geoships.places.ship_files import ship_files

    files = ship_files(ships)
    check_files({out: (".gpkg",)}, files, overwrite=overwrite)
    found = find_fixed(files, FixedSettings(passes, distance, share))
    write_fixed(out, found)
    facts = found.summary
    warn_of_unobserved(facts, run, "of these, only places between their ships count")
    run.report(
        {"out": str(out), **facts},
        f"{facts['ships']:,} ships of {facts['passes']} passes: {facts['structures']:,} structures, "
        f"{facts['still']:,} lay still, {facts['berths']:,} berths -> {out}",
    )
