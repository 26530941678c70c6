"""`geoships ais`: which of the ships that were found broadcast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.ais.settings import MatchSettings

ais = typer.Typer(name="ais", help="Compare ships with AIS, which ships broadcast by radio.", no_args_is_help=True)
FEED, SCENE, MATCH = "AIS", "Scene", "Matching"


@ais.callback()
def _group() -> None:
    """Compare ships with AIS, which ships broadcast by radio."""


@dataclass(frozen=True)
class FeedOptions:
    """Where AIS comes from."""

    feeds: Annotated[
        list[str],
        typer.Option("--ais", help="File, folder or quoted pattern of AIS; repeatable", rich_help_panel=FEED),
    ]
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Columns of a table, e.g. mmsi=ID,time=UTC,lon=X,lat=Y", rich_help_panel=FEED),
    ] = None
    time_format: Annotated[
        str | None, typer.Option(help="Form of a table's times, e.g. '%d.%m.%Y %H:%M'", rich_help_panel=FEED)
    ] = None
    clock_error: Annotated[
        float, typer.Option(min=0, help="Seconds by which times of AIS may be off", rich_help_panel=FEED)
    ] = 15.0


@dataclass(frozen=True)
class SeenOptions:
    """What is known of the scene."""

    time: Annotated[
        str | None,
        typer.Option(help="Acquisition time (UTC)", show_default="column datetime", rich_help_panel=SCENE),
    ] = None
    time_error: Annotated[
        float, typer.Option(min=0, help="Seconds by which that time may be off", rich_help_panel=SCENE)
    ] = 5.0
    area: Annotated[
        Path | None,
        typer.Option(help="Polygons of the area seen", show_default="around the ships", rich_help_panel=SCENE),
    ] = None
    clouds: Annotated[Path | None, typer.Option(help="Polygons of clouds", rich_help_panel=SCENE)] = None


@dataclass(frozen=True)
class MatchOptions:
    """How vessels are looked for."""

    max_gap: Annotated[
        float,
        typer.Option(
            min=0, max=1440, help="Minutes from a vessel's nearest message to the ship's time", rich_help_panel=MATCH
        ),
    ] = 60.0
    min_length: Annotated[
        float | None,
        typer.Option(
            min=0, help="Metres: shorter vessels are too small to find", show_default="3 pixels", rich_help_panel=MATCH
        ),
    ] = None


@ais.command()
@grouped
def match(
    ships: Annotated[Path, typer.Argument(help="Ships: .geojson, .gpkg, .fgb or .parquet")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Ships and AIS to write (.gpkg)")],
    report: Annotated[Path | None, typer.Option(help="Report to write (.html)")] = None,
    overwrite: options.Overwrite = False,
    *,
    feed: FeedOptions,
    seen: SeenOptions,
    matching: MatchOptions,
    run: options.RunOptions,
) -> None:
    """Tell which ships broadcast (matched), which do not (dark), and where nobody can tell (unknown)."""
    from geoships.ais.feed_files import find_feeds
    from geoships.ais.geopackage import check_outputs, write_geopackage
    from geoships.ais.match import match_ais
    from geoships.ais.report import write_report

    files = find_feeds(feed.feeds)
    inputs = [ships, *files, *(path for path in (seen.area, seen.clouds) if path)]
    check_outputs({out: ".gpkg", **({report: ".html"} if report else {})}, inputs, overwrite=overwrite)
    found = match_ais(ships, files, _settings(feed, seen, matching))
    write_geopackage(out, found)
    if report:
        write_report(report, found)
    facts = found.summary
    if not run.quiet:
        _tell(facts)
    written = {"out": str(out), **({"report": str(report)} if report else {})}
    run.report(
        {**written, **facts},
        f"{facts['ships']:,} ships: {facts['matched']:,} matched, {facts['dark']:,} dark, "
        f"{facts['unknown']:,} unknown; {sum(facts['unmatched'].values()):,} vessels without a ship -> {out}",
    )


def _settings(feed: FeedOptions, seen: SeenOptions, matching: MatchOptions) -> MatchSettings:
    from geoships.ais.columns import parse_columns
    from geoships.ais.settings import MatchSettings

    return MatchSettings(
        time=seen.time,
        time_error=seen.time_error,
        clock_error=feed.clock_error,
        max_gap=matching.max_gap,
        min_length=matching.min_length,
        area=seen.area,
        clouds=seen.clouds,
        columns=parse_columns(feed.columns or []),
        time_format=feed.time_format,
    )


def _tell(facts: Any) -> None:
    """Print what was left out, and what may be wrong, on stderr."""
    messages = facts["messages"]
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in messages["left_out"].items())
    typer.echo(f"{messages['used']:,} of {messages['read']:,} messages used; left out: {left_out or 'none'}", err=True)
    late = facts["seconds_late"]
    if late is not None:
        where = "ahead of" if late > 0 else "behind"
        typer.echo(f"warning: ships under way lie {abs(late):.0f} s {where} their tracks: is --time right?", err=True)
    if facts["ships"] and facts["unknown"] == facts["ships"]:
        typer.echo("warning: no ship lies where AIS was heard: are these messages of this place and time?", err=True)
