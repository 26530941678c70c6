"""`geoships convert`: ships in the form of another program, with values of other layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from geoships_cli.option_groups import grouped
from geoships_cli.options import Overwrite, RunOptions

if TYPE_CHECKING:
    from geoships.places.convert import Selection

ADDED = "Added and left out"


@dataclass(frozen=True)
class SelectionOptions:
    """What is added to the ships, and which of them stay."""

    join: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE:COLUMN", help="Add the value of zones, or of a raster as COLUMN; repeatable",
            rich_help_panel=ADDED,
        ),
    ] = None  # fmt: skip
    land: Annotated[
        Path | None, typer.Option(help="Vector file of land: add land_distance_m", rich_help_panel=ADDED)
    ] = None
    land_distance: Annotated[
        float | None, typer.Option(min=0, help="Keep ships at least so many metres from land", rich_help_panel=ADDED)
    ] = None
    min_cloud_free: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Keep ships with this share free of clouds around", rich_help_panel=ADDED),
    ] = None

    def selection(self) -> Selection:
        """Return what they ask for."""
        from geoships.places.convert import Join, Selection

        joins = []
        for text in self.join or []:
            file, colon, column = text.rpartition(":")
            if not (file and colon and column):
                raise typer.BadParameter(f"{text!r}: expected FILE:COLUMN", param_hint="--join")
            joins.append(Join(Path(file), column))
        return Selection(joins, self.land, self.land_distance, self.min_cloud_free)


@grouped
def convert(
    ships: Annotated[Path, typer.Argument(help="Ships: .geojson, .gpkg, .fgb or .parquet")],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .gpkg, .csv, .kml, .geojson, .fgb, .parquet")
    ],
    labels: Annotated[
        Literal["coco", "yolo", "yolo-obb"] | None,
        typer.Option(help="Write annotations of the scene instead (.json or .txt)", show_default="none"),
    ] = None,
    scene: Annotated[str | None, typer.Option(help="Scene of the ships, for --labels")] = None,
    selected: SelectionOptions,
    overwrite: Overwrite = False,
    run: RunOptions,
) -> None:
    """Write ships as points, rectangles, CSV, KML, COCO or YOLO, with zones, depths and distances to land."""
    from geoships.places.convert import check_form, select_ships, write_as
    from geoships.support.files import reserve
    from geoships.support.overwrite import refuse_overwrites

    selection = selected.selection()
    check_form(out, labels, scene)
    read = [ships, *(join.file for join in selection.joins), *([selection.land] if selection.land else [])]
    refuse_overwrites([out], read, overwrite=overwrite)
    reserve(out)
    table = select_ships(ships, selection)
    write_as(out, table, labels=labels, scene=scene)
    added = [join.column for join in selection.joins]
    run.report(
        {"ships": len(table), "out": str(out), "added": added},
        f"{len(table)} ship{'' if len(table) == 1 else 's'} -> {out}",
    )
