"""The table of ships: a GeoDataFrame with one ship a row, whose columns and types are always the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

# Column name to pandas dtype. Nullable where a value may be missing, so that a column keeps its type when it is
# empty or all null.
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

VERIFIED_COLUMNS = {"class_prob": "float64"}  # appended where a verifier ran
OBSERVED_COLUMNS = {"cloud_fraction": "float64", "under_cloud": "bool"}  # appended where clouds are known
FIXED_COLUMNS = {"fixed": "bool"}  # appended where it is known what stands fixed
CLASS_COLUMNS = {"class": "string"}  # appended last, where the model detects something other than ships


def ships_frame(
    rows: Sequence[Mapping[str, Any]],
    geometries: Sequence[BaseGeometry],
    crs: CRS | None,
    *,
    verified: bool = False,
    observed: bool = False,
    fixed: bool = False,
    classed: bool = False,
) -> GeoDataFrame:
    """Make the table of ships, with the columns of SHIP_COLUMNS in this order, also without any row.

    Args:
        rows: The attributes of each ship, by column name. Numbers with a fraction and texts may be None or left out.
        geometries: A Polygon or MultiPolygon per row, in `crs`, or in pixels (column, row) without one.
        crs: The CRS of the geometries; None for pixel coordinates.
        verified: Append VERIFIED_COLUMNS.
        observed: Append OBSERVED_COLUMNS.
        fixed: Append FIXED_COLUMNS.
        classed: Append CLASS_COLUMNS.

    Returns:
        One row per ship.

    Raises:
        ValueError: For an unknown column name, and for lists of different lengths.
    """
    import geopandas  # it takes most of a second
    import pandas as pd

    added = (
        (verified, VERIFIED_COLUMNS),
        (observed, OBSERVED_COLUMNS),
        (fixed, FIXED_COLUMNS),
        (classed, CLASS_COLUMNS),
    )
    dtypes = SHIP_COLUMNS | {name: kind for wanted, columns in added if wanted for name, kind in columns.items()}
    unknown = {name for row in rows for name in row} - dtypes.keys()
    if unknown or len(rows) != len(geometries):
        raise ValueError(
            f"expected one geometry a row and known columns, "
            f"got {len(rows)} rows, {len(geometries)} geometries, unknown columns {sorted(unknown)}"
        )
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=dtype) for name, dtype in dtypes.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(list(geometries), crs=crs))
