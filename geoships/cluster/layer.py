"""One layer of the ships of many scenes: a single file, or GeoParquet in parts by date."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from geoships.errors import OutputError
from geoships.output.formats import appearing_ships, check_format
from geoships.output.qgis.styles import ship_style
from geoships.support.files import output_errors
from geoships.support.overwrite import refuse_overwrites
from geoships.support.temporaries import temporary_path

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

UNKNOWN = "unknown"  # the part of ships without a date


def check_layer(path: Path, *, overwrite: bool) -> None:
    """Check before any work that a layer can be written.

    Args:
        path: A file whose ending chooses the format, or a folder for GeoParquet in parts, without an ending.
        overwrite: Whether an existing layer is replaced.

    Raises:
        OutputError: It exists, or its folder does not, or the format is unknown.
    """
    refuse_overwrites([path], overwrite=overwrite)
    if not is_partitioned(path):
        check_format(path)
    elif path.exists() and not overwrite:
        raise OutputError(f"{path} exists already; name another, or use --overwrite")
    elif path.exists() and not _is_ours(path):
        raise OutputError(f"{path} is no GeoParquet layer in parts by date, and is not replaced; name another folder")
    elif not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")


def is_partitioned(path: Path) -> bool:
    """Whether a name stands for a folder of parts: it has no ending."""
    return not path.suffix


def write_layer(path: Path, ships: GeoDataFrame, title: str) -> None:
    """Write ships of many scenes; the file or the folder appears whole.

    Args:
        path: A file whose ending chooses the format; without an ending, a folder of GeoParquet files
            ``date=YYYY-MM-DD/ships.parquet``, which GeoPandas, DuckDB and others read as one table.
        ships: The ships.
        title: Of the layer.

    Raises:
        OutputError: The layer cannot be written.
    """
    if not is_partitioned(path):
        with appearing_ships(path, ships, georeference=None, title=title, style=ship_style().qml()):
            return
    temporary = temporary_path(path.parent)
    try:
        with output_errors(path):
            for date, part in ships.groupby(pd.Series(_dates(ships), index=ships.index), sort=True):
                folder = temporary / f"date={date}"
                folder.mkdir(parents=True)
                part.to_parquet(folder / "ships.parquet", index=False, schema_version="1.1.0", compression="zstd")
            temporary.mkdir(exist_ok=True)
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _dates(ships: GeoDataFrame) -> list[str]:
    """The date of each ship, or UNKNOWN."""
    if "datetime" not in ships:
        return [UNKNOWN] * len(ships)
    dates = ships["datetime"].astype("string").str.extract(r"^(\d{4}-\d{2}-\d{2})", expand=False)
    return [str(date) for date in dates.fillna(UNKNOWN)]


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds parts by date and nothing else."""
    return folder.is_dir() and all(entry.is_dir() and entry.name.startswith("date=") for entry in folder.iterdir())
