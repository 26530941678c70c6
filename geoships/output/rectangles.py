"""Ships as points and as oriented rectangles."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geoships.scene.georeference import WGS84


def points_of(ships: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The ships as points at their centroids, with all columns, in the CRS of the table."""
    return ships.set_geometry(geopandas.GeoSeries(shapely.centroid(ships.geometry.to_numpy()), ships.index, ships.crs))


def rectangles_of(ships: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The ships as rectangles of their length, width and axis around their centroids, in the CRS of the table.

    Args:
        ships: With the columns `length_m`, `width_m` and `heading_deg`. Where one is missing, and in tables without a
            CRS, the minimum rotated rectangle of the outline is taken.
    """
    outlines = np.asarray(ships.geometry.to_numpy(), np.object_)
    shapes = np.asarray(shapely.oriented_envelope(outlines), np.object_)
    sides = [_numbers(ships, name) for name in ("length_m", "width_m", "heading_deg")]
    if ships.crs is not None and len(ships):
        known = np.flatnonzero(np.isfinite(sides[0]) & np.isfinite(sides[1]) & np.isfinite(sides[2]))
        centres = geopandas.GeoSeries(shapely.centroid(outlines[known]), crs=ships.crs).to_crs(4326)
        corners = _corners(centres.x.to_numpy(), centres.y.to_numpy(), *(side[known] for side in sides))
        placed = geopandas.GeoSeries([shapely.Polygon(each) for each in corners], crs=4326).to_crs(ships.crs)
        shapes[known] = placed.to_numpy()
    return ships.set_geometry(geopandas.GeoSeries(shapes, ships.index, ships.crs))


def _corners(
    lon: NDArray[np.float64], lat: NDArray[np.float64], length: NDArray[np.float64], width: NDArray[np.float64],
    heading: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Longitude and latitude of the corners, (ships, 4, 2), by geodesics from the centre."""
    half = np.hypot(length, width) / 2
    turn = np.degrees(np.arctan2(width, length))
    corners = []
    for azimuth in (heading + turn, heading + 180 - turn, heading + 180 + turn, heading - turn):
        x, y, _ = WGS84.fwd(lon, lat, azimuth, half)
        corners.append(np.column_stack((x, y)))
    return np.stack(corners, axis=1)


def _numbers(frame: geopandas.GeoDataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), np.float64)
