"""The ships of one scene as lines of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

ROWS = 20  # of the table; the file has all ships
# Column, title and decimals.
MEASURES = (
    ("score", "score", 2),
    ("length_m", "length m", 0),
    ("width_m", "width m", 0),
    ("heading_deg", "heading", 0),
)


def ship_lines(ships: GeoDataFrame) -> list[str]:
    """Return the ships as a table, those with the highest scores if there are many.

    Args:
        ships: From `geoships.predict`; without a CRS its coordinates are pixels (column, row).

    Returns:
        Lines, the first with the titles of the columns; none without ships.
    """
    if ships.empty:
        return []
    shown = ships.nlargest(ROWS, "score").sort_values("id")
    centres = shown.geometry.centroid if ships.crs is None else None
    places = (
        [("longitude", shown.lon, 5), ("latitude", shown.lat, 5)]
        if centres is None
        else [("column", centres.x, 1), ("row", centres.y, 1)]
    )
    columns = [("ship", shown.id, 0), *((title, shown[name], digits) for name, title, digits in MEASURES), *places]
    texts = [[title, *(_text(value, digits) for value in values)] for title, values, digits in columns]
    widths = [max(map(len, column)) for column in texts]
    rows = zip(*texts, strict=True)
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    rest = len(ships) - len(shown)
    return lines + ([f"and {rest} more with lower scores"] if rest else [])


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
