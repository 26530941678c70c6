"""The files of a report over time: tables, stays and the page, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import geopandas

from geoships.errors import OutputError
from geoships.places.over_time import OverTime
from geoships.places.time_report import report
from geoships.support.files import atomic_writes, output_errors
from geoships.support.overwrite import refuse_overwrites

TABLES = ("passes.csv", "weeks.csv", "stays.csv")
LAYERS = ("stays.parquet", "berths.parquet", "ships.parquet")
PAGE = "report.html"
TRACKS = "tracks.parquet"  # only where it is asked for


def check_folder(folder: Path, inputs: Iterable[Path], *, overwrite: bool, tracks: bool = False) -> None:
    """Check before any work that the files can be written in a folder, which may be missing.

    Raises:
        OutputError: A file exists and may not be replaced, or is read, or `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write {folder}: it is a file; name a folder")
    names = (*TABLES, *LAYERS, *([TRACKS] if tracks else []), PAGE)
    refuse_overwrites([folder / name for name in names], inputs, overwrite=overwrite)


def write_over_time(
    folder: Path, found: OverTime, title: str, tracks: geopandas.GeoDataFrame | None = None
) -> list[Path]:
    """Write tables (CSV), layers (GeoParquet) and the page; they appear together when all are complete.

    Args:
        folder: Made if it is missing.
        found: The passes.
        title: Of the page.
        tracks: Of the vessels that are known by their number; None: not wanted.

    Returns:
        The files.

    Raises:
        OutputError: A file cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stays = found.stays.drop(columns="geometry").assign(
        lon=found.stays.geometry.representative_point().x.round(6),
        lat=found.stays.geometry.representative_point().y.round(6),
    )
    tables = dict(zip(TABLES, (found.passes, found.weeks, stays), strict=True))
    layers = dict(zip(LAYERS, (found.stays, found.berths, found.ships), strict=True))
    if tracks is not None:
        layers[TRACKS] = tracks
    paths = [folder / name for name in (*tables, *layers, PAGE)]
    with atomic_writes(paths) as temporaries:
        written = dict(zip((path.name for path in paths), temporaries, strict=True))
        for name, table in tables.items():
            table.to_csv(written[name], index=False)
        for name, layer in layers.items():
            _write_layer(written[name], layer)
        written[PAGE].write_text(report(found, title), encoding="utf-8")
    return paths


def _write_layer(path: Path, layer: geopandas.GeoDataFrame) -> None:
    layer.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)
