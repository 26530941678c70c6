"""`geoships motion`: which ships move, how fast and which way, from the delay between the bands of their scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.motion.settings import MotionSettings

BANDS, SHIPS = "Bands", "Ships"


@dataclass(frozen=True)
class DelayOptions:
    """When the bands saw a place."""

    delays: Annotated[
        str | None,
        typer.Option(
            help="Seconds by band, e.g. blue=0,nir=0.26,green=0.53,red=1.0, or sentinel-2",
            show_default="from the product's angles", rich_help_panel=BANDS,
        ),
    ] = None  # fmt: skip
    metadata: Annotated[
        Path | None,
        typer.Option(help="The granule's MTD_TL.xml, for a scene that is no product", rich_help_panel=BANDS),
    ] = None
    bands: Annotated[
        str | None,
        typer.Option(
            help="Bands of blue, green, red, near infrared, e.g. 1,2,3,4; - for none",
            show_default="by name", rich_help_panel=BANDS,
        ),
    ] = None  # fmt: skip
    registration: Annotated[
        float, typer.Option(min=0, help="Pixels by which a band may lie off the others", rich_help_panel=BANDS)
    ] = 0.06


@grouped
def motion(
    ships: Annotated[Path, typer.Argument(help="Ships: .geojson, .gpkg, .fgb or .parquet")],
    scene: Annotated[str, typer.Argument(help="The scene in which they were found")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Ships to write: .geojson, .gpkg, .fgb or .parquet")],
    aircraft: Annotated[
        Literal["flag", "drop"], typer.Option(help="Flag aircraft in the output, or drop them", rich_help_panel=SHIPS)
    ] = "flag",
    overwrite: options.Overwrite = False,
    *,
    delay: DelayOptions,
    run: options.RunOptions,
) -> None:
    """Tell which ships move, how fast and which way, from the delay between the bands of their scene."""
    from geoships.motion.measure import measure_motion
    from geoships.motion.write import check_output, write_motion

    check_output(out, ships, scene, overwrite=overwrite)
    measured = measure_motion(ships, scene, _settings(delay, aircraft))
    write_motion(out, measured)
    facts = measured.summary
    if not run.quiet:
        _tell(facts)
    run.report(
        {"out": str(out), **facts},
        f"{facts['ships']:,} ships: {facts['moving']:,} moving, {facts['still']:,} still, {facts['aircraft']:,} "
        f"aircraft, {facts['not_measurable']:,} not measurable; {facts['with_course']:,} with a course -> {out}",
    )


def _settings(delay: DelayOptions, aircraft: Literal["flag", "drop"]) -> MotionSettings:
    from geoships.motion.settings import MotionSettings

    bands = None if delay.bands is None else [part.strip() for part in delay.bands.split(",")]
    return MotionSettings(delay.delays, delay.metadata, aircraft, delay.registration, bands)


def _tell(facts: Any) -> None:
    """Print where the times of the bands come from, and why motion is not measurable, on stderr."""
    typer.echo(f"times of the bands: {facts['delays']}", err=True)
    for reason, count in facts["why_not"].items():
        typer.echo(f"not measurable: {count:,} ships: {reason}", err=True)
