"""Items of a collection file as scenes: a STAC ItemCollection, or its form as a table (stac-geoparquet).

One Item is named ``FILE#ID``.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from geoships.errors import SceneError
from geoships.scene.opening.band_files import BandFiles
from geoships.scene.opening.stac_item import MAX_BYTES, item_scene

COLLECTION_ITEM = re.compile(r"(?P<file>.+\.(?:json|geojson|parquet|geoparquet))#(?P<id>.+)", re.IGNORECASE)
MEMBERS = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection")


def split_name(name: str) -> tuple[Path, str] | None:
    """File and id of ``FILE#ID``; None for another name, also for a file that has such a name itself."""
    match = COLLECTION_ITEM.fullmatch(name)
    try:
        if match is None or Path(name).exists() or not Path(match["file"]).is_file():
            return None
    except OSError:
        return None
    return Path(match["file"]), match["id"]


def collection_item(name: str) -> BandFiles | None:
    """The scene of an Item of a collection file.

    Args:
        name: ``FILE#ID``.

    Returns:
        The scene; None if the name has another form.

    Raises:
        SceneError: The file cannot be read or has no such Item, or the Item has no bands.
    """
    found = split_name(name)
    if found is None:
        return None
    return item_scene(item_content(*found), str(found[0].absolute()))


def item_content(file: Path, item_id: str) -> dict[str, Any]:
    """The Item with an id.

    Raises:
        SceneError: The file cannot be read or has no such Item.
    """
    for item in read_items(file, item_id) or ():
        if item.get("id") == item_id:
            return item
    raise SceneError(f"{file}: has no STAC Item {item_id}; geoships predict {file} --out-dir DIR --dry-run lists all")


def read_items(file: Path, item_id: str | None = None) -> list[dict[str, Any]] | None:
    """The Items of a collection file.

    Args:
        file: The file.
        item_id: Read this Item alone, where the format allows that.

    Returns:
        The Items as JSON values; None if the file is no collection of STAC Items.

    Raises:
        SceneError: The file cannot be read.
    """
    if file.suffix.lower() in (".parquet", ".geoparquet"):
        return _table_items(file, item_id)
    try:
        if not file.is_file() or file.stat().st_size > MAX_BYTES:
            return None
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("type") != "FeatureCollection":
        return None
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(one, dict) and "stac_version" in one for one in features):
        return None
    return features


def _table_items(file: Path, item_id: str | None) -> list[dict[str, Any]] | None:
    import pyarrow
    import pyarrow.parquet

    try:
        if not {"id", "assets"} <= set(pyarrow.parquet.read_schema(file).names):
            return None
        filters = None if item_id is None else [("id", "==", item_id)]
        rows = pyarrow.parquet.read_table(file, filters=filters).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SceneError(f"{file}: the table cannot be read ({reason}); copy it again") from error
    return [_item_of(row) for row in rows]


def _item_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of stac-geoparquet as an Item: properties are columns, and members that an Item lacks are null."""
    import shapely

    item = {"type": "Feature", "stac_version": "1.0.0", "links": [], **_without_nulls(row)}
    if isinstance(item.get("geometry"), bytes):
        item["geometry"] = shapely.geometry.mapping(shapely.from_wkb(item["geometry"]))
    if isinstance(item.get("bbox"), dict):
        item["bbox"] = [item["bbox"][key] for key in ("xmin", "ymin", "xmax", "ymax")]
    own = {key: value for key, value in item.items() if key in MEMBERS}
    return {**own, "properties": {key: _json(value) for key, value in item.items() if key not in MEMBERS}}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value  # datetime is a date, too
