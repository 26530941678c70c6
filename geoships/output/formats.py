"""Ships as vector files: GeoJSON, GeoPackage, FlatGeobuf and GeoParquet."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely import Polygon, affinity
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.scene.georeference import Georeference
from geoships.support.files import atomic_write, reserve

# Nullable where a value may be missing, so that a column keeps its type when it is empty or all null.
SHIP_COLUMNS: dict[str, str] = {
    "id": "int64",
    "score": "float64",
    "area_m2": "float64",
    "length_m": "float64",
    "width_m": "float64",
    "heading_deg": "float64",
    "lon": "float64",
    "lat": "float64",
    "pixels": "int64",
    "on_border": "bool",
    "scene": "string",
    "datetime": "string",
}

VERIFIED_COLUMNS = {"class_prob": "float64"}  # behind the others, where a verifier ran
CLASS_COLUMNS = {"class": "string"}  # behind these, where a model finds something else than ships

PIXEL_NOTE = "Coordinates are pixels (column, row): the scene has no place on Earth"

_DECIMALS = (7, 9, 12)  # of degrees: 7 are 1 cm; the others are for ships that vanish there


def ships_frame(
    rows: Sequence[Mapping[str, Any]],
    geometries: Sequence[BaseGeometry],
    crs: CRS | None,
    *,
    verified: bool = False,
    classed: bool = False,
) -> geopandas.GeoDataFrame:
    """Ships with the columns of SHIP_COLUMNS, in this order, whatever the number of rows.

    rows: the attributes of each ship. Numbers with a fraction and texts may be None or left out.
    geometries: a Polygon or MultiPolygon per row, in `crs`, or in pixels (column, row) without one.
    verified, classed: with the columns of VERIFIED_COLUMNS, and of CLASS_COLUMNS, too.

    Raises ValueError for a name that is no column, and for lists of different lengths.
    """
    kinds = {**SHIP_COLUMNS, **(VERIFIED_COLUMNS if verified else {}), **(CLASS_COLUMNS if classed else {})}
    unknown = {name for row in rows for name in row} - kinds.keys()
    if unknown or len(rows) != len(geometries):
        raise ValueError(f"{len(rows)} rows, {len(geometries)} geometries, unknown columns {sorted(unknown)}")
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(list(geometries), crs=crs))


def check_format(path: Path) -> None:
    """Raise OutputError if ships cannot be written to `path`: unknown extension, or no way into its folder."""
    _writer(path)
    reserve(path)


def write_ships(
    path: Path,
    frame: geopandas.GeoDataFrame,
    *,
    georeference: Georeference,
    title: str,
    note: str | None = None,
    style: str | None = None,
) -> None:
    """Write ships as `appearing_ships` does, at once."""
    with appearing_ships(path, frame, georeference=georeference, title=title, note=note, style=style):
        pass


@contextmanager
def appearing_ships(
    path: Path,
    frame: geopandas.GeoDataFrame,
    *,
    georeference: Georeference,
    title: str,
    note: str | None = None,
    style: str | None = None,
) -> Iterator[None]:
    """Write ships in the format that the extension names; the file appears when the block ends without an error.

    frame: of `ships_frame`. GeoJSON gets longitude and latitude, the others keep the frame's CRS.
    title: of the layer, for people.
    note: a remark to put into the file; without one, a scene that is not placed gets PIXEL_NOTE.
    style: text of a QML file to put into a GeoPackage, whose layer QGIS then draws so; the others cannot hold one.

    Raises OutputError where the format is not known or the file cannot be written.
    """
    write = _writer(path)
    if note is None and not georeference.placed:
        note = PIXEL_NOTE
    frame = frame.replace([math.inf, -math.inf], math.nan)
    with atomic_write(path) as temporary:
        write(temporary, frame, path.stem, title, note)
        if style and path.suffix.lower() == ".gpkg":
            _add_style(temporary, path.stem, style)
        yield


def _writer(path: Path) -> Callable[[Path, geopandas.GeoDataFrame, str, str, str | None], None]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise OutputError(f"cannot write {path}: its name must end with one of {', '.join(_WRITERS)}")
    return writer


def _write_geopackage(path: Path, frame: geopandas.GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    # Version 1.2: QGIS 3.22 and 3.28 warn about newer ones.
    options = {"IDENTIFIER": title, "DESCRIPTION": note or title, "SPATIAL_INDEX": "YES"}
    _write_layer(path, frame, layer, "GPKG", options, {"VERSION": "1.2"})


def _add_style(path: Path, layer: str, style: str) -> None:
    """Put a style into a GeoPackage as QGIS does: a row of the table `layer_styles`."""
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


def _write_flatgeobuf(path: Path, frame: geopandas.GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    options = {"TITLE": title, "DESCRIPTION": note or title, "SPATIAL_INDEX": "YES"}
    _write_layer(path, frame, layer, "FlatGeobuf", options, {})


def _write_layer(
    path: Path,
    frame: geopandas.GeoDataFrame,
    layer: str,
    driver: str,
    layer_options: dict[str, str],
    dataset_options: dict[str, str],
) -> None:
    with warnings.catch_warnings():
        # A scene without a CRS is ordinary here, and the note in the file says so.
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_dataframe(
            frame,
            path,
            layer=layer,
            driver=driver,
            geometry_type="MultiPolygon",  # one type, with no ships too
            promote_to_multi=True,
            layer_options=layer_options,
            dataset_options=dataset_options,
        )


def _write_geoparquet(path: Path, frame: geopandas.GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    frame.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)
    table = pyarrow.parquet.read_table(path)
    about = {"name": layer, "title": title, "description": note or title}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **about})
    pyarrow.parquet.write_table(table, path, compression="zstd")


def _write_geojson(path: Path, frame: geopandas.GeoDataFrame, layer: str, title: str, note: str | None) -> None:
    """RFC 7946, with the id as member and as property, and a bbox that knows the antimeridian."""
    placed = frame.crs is not None
    geometries = [_finished(geometry, placed=placed) for geometry in (frame.to_crs(4326) if placed else frame).geometry]
    head: dict[str, Any] = {"type": "FeatureCollection", "name": layer, "title": title}
    if note:
        head["description"] = note
    if any(not geometry.is_empty for geometry in geometries):
        head["bbox"] = _bbox(geometries, placed=placed)
    properties = frame.drop(columns=frame.geometry.name)
    columns = {name: [_plain(value) for value in properties[name].tolist()] for name in properties}
    with path.open("w", encoding="utf-8") as file:
        file.write(_json(head)[:-1] + ',"features":[')
        for index, geometry in enumerate(geometries):
            feature: dict[str, Any] = {"type": "Feature"}
            if "id" in columns:
                feature["id"] = columns["id"][index]
            feature["properties"] = {name: values[index] for name, values in columns.items()}
            feature["geometry"] = None if geometry.is_empty else mapping(geometry)
            file.write(("," if index else "") + "\n" + _json(feature))
        file.write("\n]}\n")


_WRITERS: dict[str, Callable[[Path, geopandas.GeoDataFrame, str, str, str | None], None]] = {
    ".geojson": _write_geojson,
    ".json": _write_geojson,
    ".gpkg": _write_geopackage,
    ".fgb": _write_flatgeobuf,
    ".parquet": _write_geoparquet,
    ".geoparquet": _write_geoparquet,
}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a JSON value; None for what is missing."""
    return None if pd.isna(value) else value


def _finished(geometry: BaseGeometry, *, placed: bool) -> BaseGeometry:
    """Cut at the antimeridian, rounded, exterior rings counter-clockwise; empty where it is off the map."""
    if geometry is None or geometry.is_empty or not np.isfinite(shapely.get_coordinates(geometry)).all():
        return Polygon()
    return shapely.orient_polygons(_rounded(cut_at_antimeridian(geometry) if placed else geometry))


def cut_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Split a shape in longitude and latitude so that its parts lie within -180 to 180 degrees.

    Vertices may be wrapped or not; the shape must be less than 180 degrees wide.

    >>> cut_at_antimeridian(shapely.box(179, 0, 181, 1)).bounds
    (-180.0, 0.0, 180.0, 1.0)
    """
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180 and east - west <= 180:
        return geometry
    first = (shapely.get_coordinates(geometry)[0, 0] + 180) % 360 - 180

    def beside_first(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        lon = first + (lonlat[:, 0] - first + 180) % 360 - 180
        return np.column_stack([lon, lonlat[:, 1]])

    whole = shapely.make_valid(shapely.transform(geometry, beside_first))
    parts: list[Polygon] = []
    for turn in (-360, 0, 360):
        inside = shapely.intersection(whole, shapely.box(turn - 180, -90, turn + 180, 90))
        parts += _polygons(affinity.translate(inside, -turn))
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    """Pick the polygons in a geometry; lines and points, where it only touches an edge, are left out."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def _rounded(geometry: BaseGeometry) -> BaseGeometry:
    """With as few decimals as leave it valid and not empty."""
    for decimals in _DECIMALS:
        snapped = shapely.set_precision(geometry, 10.0**-decimals)
        # The grid's multiples carry noise in their last bits, which would be printed.
        rounded = shapely.set_coordinates(snapped, np.round(shapely.get_coordinates(snapped), decimals))
        if rounded.is_valid and not rounded.is_empty:
            return rounded
    return geometry


def _bbox(geometries: Sequence[BaseGeometry], *, placed: bool) -> list[float]:
    """[west, south, east, north]; west is greater than east where the ships lie about the antimeridian.

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
