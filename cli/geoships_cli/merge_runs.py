"""`geoships merge-runs`: the ships of many runs as one layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships.errors import GeoshipsError
from geoships_cli.failures import PartialFailureError
from geoships_cli.option_groups import grouped
from geoships_cli.options import Overwrite, RunOptions

if TYPE_CHECKING:
    from geoships.cluster.merge import MergedRuns


@grouped
def merge_runs(
    runs: Annotated[list[Path], typer.Argument(help="Folders of outputs (--out-dir) of runs or shards")],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Layer: .gpkg, .parquet, .fgb, .geojson; a folder: parts by date")
    ],
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Once each ship that overlapping scenes of one pass show")
    ] = False,
    crs: Annotated[str, typer.Option(help="CRS of the layer")] = "EPSG:4326",
    overwrite: Overwrite = False,
    run: RunOptions,
) -> None:
    """Join the manifests and the ships of several runs, such as the shards of one."""
    from geoships.cluster.layer import check_layer, write_layer
    from geoships.cluster.merge import merge_manifests, read_all_ships, write_table
    from geoships.support.overwrite import refuse_overwrites
    from geoships.support.remote.address import as_path

    table = out.with_name(f"{out.stem}_scenes.csv")
    check_layer(out, overwrite=overwrite)
    refuse_overwrites([table], overwrite=overwrite)
    _check_crs(crs)
    with run.progress_display() as progress:
        merged = merge_manifests([as_path(run) for run in runs])
        refuse_overwrites([out, table], (one.vector for one in merged.scenes if one.vector), overwrite=True)
        ships, left_out = read_all_ships(merged, crs)
        for text in (*merged.warnings, *left_out):
            progress.warn(text)
    doubles = 0
    if dedupe:
        from geoships.cluster.duplicates import without_duplicates

        ships, doubles = without_duplicates(ships)
    done = merged.count("done")
    write_layer(out, ships, f"ships of {done} scenes, found by geoships")
    write_table(table, merged)
    summary = {
        "ships": len(ships), "duplicates": doubles, "scenes": len(merged.scenes), "done": done, "out": str(out),
        **{state: merged.count(state) for state in ("failed", "stopped", "missing")}, "table": str(table),
    }  # fmt: skip
    text = f"{len(ships)} ships of {done} scenes -> {out}, {table}"
    run.report(summary, f"{text}; {doubles} left out that overlapping scenes show, too" if dedupe else text)
    _raise_failures(merged, table)


def _check_crs(crs: str) -> None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(crs)
    except CRSError as error:
        raise typer.BadParameter(f"{crs} is no CRS; give one such as EPSG:4326", param_hint="--crs") from error


def _raise_failures(merged: MergedRuns, table: Path) -> None:
    """Raise an error where scenes have no ships in the layer."""
    counts = {state: merged.count(state) for state in ("failed", "stopped", "missing")}
    lacking = sum(counts.values())
    if lacking:
        what = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        kind = PartialFailureError if merged.count("done") else GeoshipsError
        raise kind(f"{lacking} of {len(merged.scenes)} scenes are not done ({what}); see {table}")
