"""Writes MTD_TL.xml with viewing angles of a satellite that passes over, with known times of the bands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyproj import Geod, Transformer

RADIUS, HEIGHT = 6_371_000.0, 786_000.0
SPHERE = Geod(a=RADIUS, b=RADIUS)
IDS = {"blue": 1, "green": 2, "red": 3, "nir": 7}
LEFT, TOP, STEP, SIZE = 500_000.0, 4_000_000.0, 5_000.0, 6


def granule_xml(
    detectors: Mapping[int, tuple[range, Mapping[str, float]]], *, speed: float = 6_720.0, track: float = 194.0
) -> str:
    """Text of MTD_TL.xml.

    detectors: by number, the columns of the grid that it sees, and the seconds of its bands.
    """
    lonlat = Transformer.from_crs(32631, 4326, always_xy=True)
    grids = []
    for detector, (columns, seconds) in detectors.items():
        for band, number in IDS.items():
            zenith, azimuth = np.full((2, SIZE, SIZE), np.nan)
            for row in range(SIZE):
                for column in columns:
                    lon, lat = lonlat.transform(LEFT + column * STEP, TOP - row * STEP)
                    zenith[row, column], azimuth[row, column] = _angles(lon, lat, seconds[band], speed, track)
            grids.append(
                f'<Viewing_Incidence_Angles_Grids bandId="{number}" detectorId="{detector}">'
                f"<Zenith>{_values(zenith)}</Zenith><Azimuth>{_values(azimuth)}</Azimuth>"
                "</Viewing_Incidence_Angles_Grids>"
            )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD">'
        "<n1:General_Info><SENSING_TIME>2023-01-01T10:57:35.463Z</SENSING_TIME></n1:General_Info><n1:Geometric_Info>"
        "<Tile_Geocoding><HORIZONTAL_CS_CODE>EPSG:32631</HORIZONTAL_CS_CODE>"
        f'<Geoposition resolution="10"><ULX>{LEFT:.0f}</ULX><ULY>{TOP:.0f}</ULY></Geoposition></Tile_Geocoding>'
        f"<Tile_Angles>{''.join(grids)}</Tile_Angles></n1:Geometric_Info></n1:Level-2A_Tile_ID>"
    )


def _angles(lon: float, lat: float, seconds: float, speed: float, track: float) -> tuple[float, float]:
    """Zenith and azimuth of a satellite that stood 60 km to the east at time 0, and flies along the track."""
    east = SPHERE.fwd(lon, lat, track - 90, 60_000)
    place = SPHERE.fwd(east[0], east[1], track, speed * seconds)
    azimuth, _, distance = SPHERE.inv(lon, lat, place[0], place[1])
    arc = distance / RADIUS
    tilt = np.arctan2(np.sin(arc), np.cos(arc) - RADIUS / (RADIUS + HEIGHT))
    return float(np.degrees(tilt)), azimuth % 360


def _values(grid: np.ndarray) -> str:
    rows = "".join(f"<VALUES>{' '.join('NaN' if np.isnan(v) else f'{v:.6f}' for v in row)}</VALUES>" for row in grid)
    steps = f'<COL_STEP unit="m">{STEP:.0f}</COL_STEP><ROW_STEP unit="m">{STEP:.0f}</ROW_STEP>'
    return f"{steps}<Values_List>{rows}</Values_List>"
