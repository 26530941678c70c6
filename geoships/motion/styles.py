"""QGIS style of ships by motion."""

from __future__ import annotations

from collections.abc import Mapping

from geoships.motion.answer import Motion
from geoships.output.qgis.categories import by_value, line_layer, polygon_symbol
from geoships.output.qgis.styles import Style
from geoships.output.qgis.xml import Colour

CASING: Colour = (0, 0, 0, 150)

# Told apart by people who see no difference of red and green, too (Okabe and Ito).
MOTIONS: Mapping[Motion, tuple[Colour, str]] = {
    Motion.MOVING: ((230, 159, 0, 255), "moving"),
    Motion.STILL: ((86, 180, 233, 255), "still, as far as can be measured"),
    Motion.AIRCRAFT: ((204, 121, 167, 255), "aircraft"),
    Motion.UNKNOWN: ((200, 200, 200, 255), "not measurable"),
}


def motion_style() -> Style:
    """Outlines by motion."""
    symbols = [
        polygon_symbol(str(number), [line_layer(CASING, 0.9), line_layer(colour, 0.45)])
        for number, (colour, _) in enumerate(MOTIONS.values())
    ]
    return by_value("motion", [(each.value, label) for each, (_, label) in MOTIONS.items()], symbols, geometry=2)
