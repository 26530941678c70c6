"""Ships as vector files: GeoJSON, GeoPackage, FlatGeobuf and GeoParquet."""

from __future__ import annotations

import importlib.util
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.antimeridian import cut_at_antimeridian
from geoships.scene.georeference import Georeference
from geoships.support.files import atomic_write, reserve

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PIXEL_NOTE = "Coordinates are pixels (column, row): the scene has no place on Earth"

# Of coordinates in degrees: 7 decimals are 1 cm; more where rounding would make a ship vanish.
_DECIMALS = (7, 9, 12)


def check_format(path: Path) -> None:
    """Check that ships can be written to a file.

    Raises:
        OutputError: For an unknown extension, and for a folder that cannot be written to.
    """
    _writer(path)
    needed = _NEEDED.get(path.suffix.lower())
    if needed and importlib.util.find_spec(needed) is None:
        raise OutputError(f"cannot write {path}: {path.suffix} takes {needed}: pip install {needed}, or write .geojson")
    reserve(path)


def write_ships(
    path: Path,
    frame: GeoDataFrame,
    *,
    georeference: Georeference,
    title: str,
    note: str | None = None,
    style: str | None = None,
) -> None:
    """Write ships to a file at once; for the arguments and errors see `appearing_ships`."""
    with appearing_ships(path, frame, georeference=georeference, title=title, note=note, style=style):
        pass


@contextmanager
def appearing_ships(
    path: Path,
    frame: GeoDataFrame,
    *,
    georeference: Georeference | None,
    title: str,
    note: str | None = None,
    style: str | None = None,
    layers: Mapping[str, GeoDataFrame] | None = None,
) -> Iterator[None]:
    """Write ships to a file, which appears when the block ends without an error.

    Args:
        path: The file; its extension chooses the format.
        frame: The ships, from `ships_frame`. GeoJSON is written in longitude and latitude (EPSG:4326), the other
            formats in the frame's CRS.
        georeference: Of the scene; None: the ships are of several scenes, all placed on Earth.
        title: Human-readable title of the layer.
        note: Description of the layer; by default PIXEL_NOTE for a scene that is not georeferenced.
        style: QML text, stored in a GeoPackage as the layer's default style in QGIS; the other formats cannot hold one.
        layers: More layers by name, of a GeoPackage only.

    Yields:
        Once, when the file is complete under its temporary name.

    Raises:
        OutputError: Where the extension is unknown or the file cannot be written.
    """
    write = _writer(path)
    if note is None and georeference is not None and not georeference.placed:
        note = PIXEL_NOTE
    frame = frame.replace([math.inf, -math.inf], math.nan)
    with atomic_write(path) as temporary:
        write(temporary, frame, path.stem, title, note)
        for name, layer in (layers or {}).items():
            add_layer(temporary, name, layer)
        if style and path.suffix.lower() == ".gpkg":
            add_style(temporary, path.stem, style)
        yield


def _writer(path: Path) -> Callable[[Path, GeoDataFrame, str, str, str | None], None]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise OutputError(f"cannot write {path}: its name must end with one of {', '.join(_WRITERS)}")
    return writer


def _write_geopackage(path: Path, frame: GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    # Version 1.2: QGIS 3.22 and 3.28 warn about newer versions.
    options = {"IDENTIFIER": title, "DESCRIPTION": note or title, "SPATIAL_INDEX": "YES"}
    _write_layer(path, frame, layer, "GPKG", options, {"VERSION": "1.2"})


def add_layer(path: Path, layer: str, frame: GeoDataFrame) -> None:
    """Add a layer to a GeoPackage.

    Args:
        path: The GeoPackage.
        layer: Name of the layer.
        frame: Its rows: all of them polygons, or all of them points.
    """
    import pyogrio  # an optional package where nothing but GeoJSON is written

    points = len(frame) > 0 and bool(frame.geometry.geom_type.eq("Point").all())
    kind = "Point" if points else "MultiPolygon"
    options = {"IDENTIFIER": layer, "DESCRIPTION": layer, "SPATIAL_INDEX": "YES"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_dataframe(
            frame, path, layer=layer, driver="GPKG", geometry_type=kind, promote_to_multi=not points, append=True,
            layer_options=options,
        )  # fmt: skip


def add_style(path: Path, layer: str, style: str) -> None:
    """Store a style in a GeoPackage as QGIS does: as a row of the table `layer_styles`.

    Args:
        path: The GeoPackage.
        layer: The layer whose style it becomes.
        style: QML text.
    """
    import pandas as pd
    import pyogrio  # as geopandas, it takes most of a second

    row = {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layer,
        "f_geometry_column": "geom",
        "styleName": layer,
        "styleQML": style,
        "styleSLD": "",
        "useAsDefault": True,
        "description": "geoships",
        "owner": "",
        "ui": None,
        "update_time": pd.Timestamp.now("UTC").floor("s"),
    }
    table = pd.DataFrame([row]).astype({"ui": "string"})
    pyogrio.write_dataframe(table, path, layer="layer_styles", driver="GPKG", append=True, layer_options={"FID": "id"})


def _write_flatgeobuf(path: Path, frame: GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    options = {"TITLE": title, "DESCRIPTION": note or title, "SPATIAL_INDEX": "YES"}
    _write_layer(path, frame, layer, "FlatGeobuf", options, {})


def _write_layer(
    path: Path,
    frame: GeoDataFrame,
    layer: str,
    driver: str,
    layer_options: dict[str, str],
    dataset_options: dict[str, str],
) -> None:
    import pyogrio

    with warnings.catch_warnings():
        # Scenes without a CRS are supported, and the note in the file tells that it has none.
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_dataframe(
            frame,
            path,
            layer=layer,
            driver=driver,
            geometry_type="MultiPolygon",  # the same type whether the frame has polygons, multipolygons or no rows
            promote_to_multi=True,
            layer_options=layer_options,
            dataset_options=dataset_options,
        )


def _write_geoparquet(path: Path, frame: GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    import pyarrow.parquet

    frame.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)
    table = pyarrow.parquet.read_table(path)
    metadata = {"name": layer, "title": title, "description": note or title}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    pyarrow.parquet.write_table(table, path, compression="zstd")


def _write_geojson(path: Path, frame: GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    """Write RFC 7946 GeoJSON: the id is a member and a property, and the bbox may cross the antimeridian."""
    placed = frame.crs is not None
    geometries = [
        _geojson_geometry(geometry, placed=placed) for geometry in (frame.to_crs(4326) if placed else frame).geometry
    ]
    head: dict[str, Any] = {"type": "FeatureCollection", "name": layer, "title": title}
    if note:
        head["description"] = note
    if any(not geometry.is_empty for geometry in geometries):
        head["bbox"] = _bbox(geometries, placed=placed)
    properties = frame.drop(columns=frame.geometry.name)
    columns = {name: [_json_value(value) for value in properties[name].tolist()] for name in properties}
    with path.open("w", encoding="utf-8") as file:
        file.write(_dumps(head)[:-1] + ',"features":[')
        for index, geometry in enumerate(geometries):
            feature: dict[str, Any] = {"type": "Feature"}
            if "id" in columns:
                feature["id"] = columns["id"][index]
            feature["properties"] = {name: values[index] for name, values in columns.items()}
            feature["geometry"] = None if geometry.is_empty else mapping(geometry)
            file.write(("," if index else "") + "\n" + _dumps(feature))
        file.write("\n]}\n")


_WRITERS: dict[str, Callable[[Path, Any, str, str, str | None], None]] = {
    ".geojson": _write_geojson,
    ".json": _write_geojson,
    ".gpkg": _write_geopackage,
    ".fgb": _write_flatgeobuf,
    ".parquet": _write_geoparquet,
    ".geoparquet": _write_geoparquet,
}


_NEEDED = {".gpkg": "pyogrio", ".fgb": "pyogrio", ".parquet": "pyarrow", ".geoparquet": "pyarrow"}  # packages


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _json_value(value: Any) -> Any:
    """The value, or None where it is missing."""
    import pandas as pd

    return None if pd.isna(value) else value


def _geojson_geometry(geometry: BaseGeometry, *, placed: bool) -> BaseGeometry:
    """Cut at the antimeridian, rounded, exterior rings counter-clockwise; empty where coordinates are not finite."""
    if geometry is None or geometry.is_empty or not np.isfinite(shapely.get_coordinates(geometry)).all():
        return Polygon()
    return shapely.orient_polygons(_rounded(cut_at_antimeridian(geometry) if placed else geometry))


def _rounded(geometry: BaseGeometry) -> BaseGeometry:
    """Round coordinates to as few of _DECIMALS as leave the geometry valid and not empty."""
    for decimals in _DECIMALS:
        snapped = shapely.set_precision(geometry, 10.0**-decimals)
        # Multiples of the grid size have floating-point noise in their last digits, which would be printed.
        rounded = shapely.set_coordinates(snapped, np.round(shapely.get_coordinates(snapped), decimals))
        if rounded.is_valid and not rounded.is_empty:
            return rounded
    return geometry


def _bbox(geometries: Sequence[BaseGeometry], *, placed: bool) -> list[float]:
    """[west, south, east, north]; west is greater than east where the box crosses the antimeridian.

    The box is the narrowest around all parts: it leaves out the widest gap between their longitudes.
    """
    bounds = shapely.bounds(shapely.get_parts([geometry for geometry in geometries if not geometry.is_empty]))
    bounds = bounds[np.argsort(bounds[:, 0])]
    west, east = bounds[0, 0], bounds[:, 2].max()
    reached = np.maximum.accumulate(bounds[:, 2])
    gaps = bounds[1:, 0] - reached[:-1]
    if placed and gaps.size and gaps.max() > west + 360 - east:
        widest = int(gaps.argmax())
        west, east = bounds[widest + 1, 0], reached[widest]
    return [float(west), float(bounds[:, 1].min()), float(east), float(bounds[:, 3].max())]
