"""What was seen of a scene as a layer of polygons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from geoships.scene.georeference import Georeference
from geoships.scene.observed.kinds import Kind
from geoships.scene.observed.seen_map import SeenMap

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SPECK = 4  # cells: smaller patches are drawn as what is around them; areas are counted with all cells
SEEN_COLUMNS: dict[str, str] = {
    "kind": "string",
    "seen": "bool",
    "km2": "float64",
    "source": "string",
    "sun_glint": "boolean",
    "glint_deg": "float64",
    "scene": "string",
    "datetime": "string",
}


def seen_areas(
    seen: SeenMap, georeference: Georeference, crs: CRS | None, *, scene: str, datetime: str | None
) -> GeoDataFrame:
    """Make the layer: one row for each kind of surface that occurs in what was searched.

    Args:
        seen: What was seen.
        georeference: Of the scene.
        crs: CRS of the layer; None for pixel coordinates.
        scene: Name of the scene.
        datetime: Acquisition time as text.

    Returns:
        A GeoDataFrame with SEEN_COLUMNS and MultiPolygons, in the scene's CRS.
    """
    import geopandas  # it takes most of a second
    import pandas as pd

    shapes = _shapes(np.where(seen.searched, seen.kinds, len(Kind)).astype(np.uint8))
    areas: Mapping[Kind, float] = seen.square_metres()
    kinds = [kind for kind in Kind if areas[kind] > 0]
    glint = None if seen.angles is None else round(seen.angles.glint, 1)

    def place(cells: NDArray[np.float64]) -> NDArray[np.float64]:
        pixels = np.minimum(cells * seen.grid.step, (georeference.width, georeference.height))
        return np.column_stack(georeference.to_map(pixels[:, 0], pixels[:, 1]))

    rows = {
        "kind": [kind.label for kind in kinds],
        "seen": [kind.is_seen for kind in kinds],
        "km2": [round(areas[kind] / 1e6, 6) for kind in kinds],
        "source": [seen.source] * len(kinds),
        "sun_glint": [None if seen.angles is None else seen.angles.may_glint] * len(kinds),
        "glint_deg": [glint] * len(kinds),
        "scene": [scene] * len(kinds),
        "datetime": [datetime] * len(kinds),
    }
    columns = {name: pd.Series(rows[name], dtype=kind) for name, kind in SEEN_COLUMNS.items()}
    geometries = [shapely.transform(shapely.MultiPolygon(shapes.get(kind, [])), place) for kind in kinds]
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(geometries, crs=crs))


def _shapes(codes: NDArray[np.uint8]) -> dict[int, list[shapely.Polygon]]:
    """Polygons of each code, in cells (column, row)."""
    if min(codes.shape) > 2:
        codes = rasterio.features.sieve(codes, SPECK)
    found: dict[int, list[shapely.Polygon]] = {}
    for outline, code in rasterio.features.shapes(codes):
        rings = [np.asarray(ring, np.float64) for ring in outline["coordinates"]]
        found.setdefault(int(code), []).append(shapely.Polygon(rings[0], rings[1:]))
    return found
