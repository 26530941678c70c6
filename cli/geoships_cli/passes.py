"""`geoships passes`: what came and went over many passes, beside what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli.option_groups import grouped
from geoships_cli.options import Overwrite, RunOptions
from geoships_cli.pass_files import PassShips, warn_of_unobserved


@grouped
def passes(
    ships: PassShips,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, layers and the report")],
    zones: Annotated[
        str | None,
        typer.Option(metavar="FILE:COLUMN", help="Zones, such as ports, and their names", show_default="one zone"),
    ] = None,
    tracks: Annotated[
        bool, typer.Option("--tracks", help="Also write tracks of ships that were matched to AIS (geoships ais match)")
    ] = False,
    title: Annotated[str, typer.Option(help="Title of the report")] = "Ships over time",
    overwrite: Overwrite = False,
    run: RunOptions,
) -> None:
    """Join passes over one place: arrivals, departures, stays and counts, with the share that was seen."""
    from geoships.places.over_time import passes_over_time
    from geoships.places.ship_files import ship_files
    from geoships.places.time_files import check_folder, write_over_time
    from geoships.places.tracks import ship_tracks

    named = None
    if zones is not None:
        file, colon, column = zones.rpartition(":")
        if not (file and colon and column):
            raise typer.BadParameter(f"{zones!r}: expected FILE:COLUMN", param_hint="--zones")
        named = Path(file), column
    files = [path for path in ship_files(ships) if out not in path.parents]
    check_folder(out, [*files, *([named[0]] if named else [])], overwrite=overwrite, tracks=tracks)
    found = passes_over_time(files, named)
    written = write_over_time(out, found, title, ship_tracks(found.ships) if tracks else None)
    facts = found.summary
    warn_of_unobserved(facts, run, "for them, a ship that was hidden is not told from one that left")
    run.report(
        {"out": str(out), **facts},
        f"{facts['passes']} passes, {facts['stays']:,} stays, {facts['arrivals']:,} arrivals, "
        f"{facts['departures']:,} departures -> {written[-1]}",
    )
