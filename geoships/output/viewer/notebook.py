"""HTML of ships for notebooks: a small map of their outlines, and the first rows of their table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

ROWS = 10  # maximum number of table rows
SIDE = 360  # CSS pixels of the map's longer side
MARGIN = 0.05  # around all ships, relative to the longer side
MIN_RADIUS = 3.0  # CSS pixels; a smaller ship is drawn with a dot of this radius, so that it is visible
COLUMNS = ("id", "score", "length_m", "width_m", "heading_deg", "area_m2", "lon", "lat")


def ships_html(ships: GeoDataFrame, title: str) -> str:
    """An HTML fragment of a map and a table, without scripts and external files.

    Args:
        ships: One row per ship, in any CRS, or in pixel coordinates (column, row) without one.
        title: Plain text.

    Returns:
        The HTML text.
    """
    count = f"{len(ships)} ship{'' if len(ships) == 1 else 's'}"
    shown = ships[[name for name in COLUMNS if name in ships.columns]].head(ROWS)
    table = shown.to_html(index=False, border=0, float_format=lambda value: f"{value:.6g}", na_rep="")
    more = f"<p>and {len(ships) - ROWS} more</p>" if len(ships) > ROWS else ""
    return (
        f"<div><p><b>{escape(title)}</b>: {count}</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">{ships_svg(ships)}'
        f"<div>{table if len(ships) else ''}{more}</div></div></div>"
    )


def ships_svg(ships: GeoDataFrame) -> str:
    """The outlines as an SVG image, north up where the ships have a CRS.

    Degrees of longitude are scaled by the cosine of the latitude, so that shapes keep their proportions.

    Args:
        ships: One row per ship, in any CRS, or in pixel coordinates (column, row) without one.

    Returns:
        The SVG text; empty without ships.
    """
    if not len(ships):
        return ""
    outlines = ships.geometry.to_numpy()
    left, bottom, right, top = shapely.total_bounds(outlines)
    placed = ships.crs is not None
    across = float(np.cos(np.radians((bottom + top) / 2))) if placed and ships.crs.is_geographic else 1.0
    longer = max((right - left) * across, top - bottom) or 1.0
    scale = SIDE / (longer * (1 + 2 * MARGIN))
    pad = MARGIN * longer * scale

    def place(points: np.ndarray) -> np.ndarray:
        rows = top - points[:, 1] if placed else points[:, 1] - bottom
        return np.column_stack(((points[:, 0] - left) * across * scale + pad, rows * scale + pad))

    width, height = ((right - left) * across * scale + 2 * pad, (top - bottom) * scale + 2 * pad)
    drawn = "".join(_drawn(shapely.transform(outline, place)) for outline in outlines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="map of the ships" style="background:#0b1f3a" fill="#ff6000" fill-rule="evenodd" '
        f'stroke="#ffd166">{drawn}</svg>'
    )


def _drawn(outline: shapely.Geometry) -> str:
    """SVG of one ship: its outline, and a dot where the outline is too small to be visible."""
    rings = shapely.get_rings(outline)
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(ring)) + "Z" for ring in rings)
    left, top, right, bottom = shapely.bounds(outline)
    dot = ""
    if max(right - left, bottom - top) < 2 * MIN_RADIUS:
        dot = f'<circle cx="{(left + right) / 2:.1f}" cy="{(top + bottom) / 2:.1f}" r="{MIN_RADIUS:g}"/>'
    return f'{dot}<path d="{path}"/>'
