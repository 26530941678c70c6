"""Scenes that a document lists: a STAC ItemCollection, or a table as CSV or GeoParquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from geoships.errors import SceneError
from geoships.scene.listing.listed import ListedScene, Listing, listed_address, listed_file, listed_item
from geoships.scene.opening.item_collection import read_items
from geoships.scene.opening.names import is_remote

COLUMNS = ("scene", "path", "file", "filename", "location", "href", "url", "uri")  # the first that there is
PARQUET, CSV, JSON = (".parquet", ".geoparquet"), (".csv",), (".json", ".geojson")


def list_table(name: str) -> Listing | None:
    """List the scenes of a document.

    Args:
        name: Path of a STAC ItemCollection (.json, .geojson), a GeoParquet file of STAC Items, or a GeoParquet or CSV
            file with a column of scenes: the first of COLUMNS. Paths are relative to the folder of the document.

    Returns:
        The scenes in the order of the document; None if the file is no such document.

    Raises:
        SceneError: The document cannot be read, or has no scene.
    """
    path, suffix = Path(name), Path(name).suffix.lower()
    if suffix not in (*PARQUET, *CSV, *JSON) or not path.is_file():
        return None
    if suffix in CSV:
        return _of_names(path, _csv_names(path))
    items = read_items(path)
    if items is not None:
        return _of_items(path, [str(item.get("id") or "") for item in items])
    return _of_names(path, _parquet_names(path)) if suffix in PARQUET else None


def _of_items(path: Path, ids: Sequence[str]) -> Listing:
    if twice := sorted({one for one in ids if ids.count(one) > 1} if len(set(ids)) < len(ids) else ()):
        raise SceneError(f"{path}: has several STAC Items with the id {', '.join(twice[:3])}; give each its own")
    if not ids or not all(ids):
        raise SceneError(f"{path}: has {'STAC Items without an id' if ids else 'no STAC Item'}; search again")
    return Listing([listed_item(path, one) for one in ids])


def _of_names(path: Path, names: Sequence[str]) -> Listing:
    if not names:
        raise SceneError(f"{path}: the table has no scene; give one a row")
    return Listing([_row(path.parent, name) for name in names])


def _row(folder: Path, name: str) -> ListedScene:
    if is_remote(name) or "://" in name:
        return listed_address(name)
    relative = PurePosixPath(os.path.normpath(Path(name).as_posix()))
    kept = 1 if relative.is_absolute() or ".." in relative.parts else len(relative.parts)
    return listed_file(folder / name, kept)


def _csv_names(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            column = _column(path, rows.fieldnames or ())
            return [name for row in rows if (name := (row[column] or "").strip())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SceneError(f"{path}: the table of scenes cannot be read ({error}); write it as CSV in UTF-8") from error


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    try:
        column = _column(path, pyarrow.parquet.read_schema(path).names)
        values = pyarrow.parquet.read_table(path, columns=[column]).column(0).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SceneError(f"{path}: the table of scenes cannot be read ({error}); copy it again") from error
    return [text for value in values if value is not None and (text := str(value).strip())]


def _column(path: Path, names: Sequence[str]) -> str:
    """The column of the scenes, by its name in upper or lower case."""
    by_name = {name.strip().lower(): name for name in names}
    for name in COLUMNS:
        if name in by_name:
            return by_name[name]
    raise SceneError(f"{path}: the table has no column of scenes; name one of its columns {', '.join(COLUMNS[:3])}")
