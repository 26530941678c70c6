"""QGIS styles of ships by answer, of vessels that no ship fits, and of where AIS was heard."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from geoships.ais.one_pass import State
from geoships.ais.unmatched import Why
from geoships.output.qgis.categories import by_value, line_layer, polygon_symbol
from geoships.output.qgis.styles import Style
from geoships.output.qgis.xml import Colour, comma, element, options

CASING: Colour = (0, 0, 0, 150)

# Told apart by people who see no difference of red and green, too (Okabe and Ito).
STATES: Mapping[str, tuple[Colour, str]] = {
    State.DARK: ((213, 94, 0, 255), "dark: AIS is received here, and none fits"),
    State.MATCHED: ((0, 158, 115, 255), "matched"),
    State.UNKNOWN: ((240, 228, 66, 255), "unknown"),
}
REASONS: Mapping[str, Colour] = {
    Why.MISSED: (204, 121, 167, 255),
    Why.SMALL: (86, 180, 233, 255),
    Why.NO_SIZE: (86, 180, 233, 150),
    Why.RAFT: (0, 114, 178, 255),
    Why.CLOUD: (230, 230, 230, 255),
    Why.VAGUE: (150, 150, 150, 255),
    Why.OUTSIDE: (150, 150, 150, 120),
}
HEARD: Mapping[str, tuple[Colour, str]] = {
    "yes": ((0, 158, 115, 60), "received"),
    "no": ((240, 228, 66, 60), "heard, but not well enough"),
}


def ships_style() -> Style:
    """Outlines by answer."""
    symbols = [
        polygon_symbol(str(number), [line_layer(CASING, 0.9), line_layer(colour, 0.45)])
        for number, (colour, _) in enumerate(STATES.values())
    ]
    labels = [(state, label) for state, (_, label) in STATES.items()]
    return by_value("ais", labels, symbols, geometry=2)


def unmatched_style() -> Style:
    """Points by reason."""
    symbols = [_marker(str(number), colour) for number, colour in enumerate(REASONS.values())]
    return by_value("why", [(why, why) for why in REASONS], symbols, geometry=0)


def heard_style() -> Style:
    """Cells, by whether AIS is received in them."""
    symbols = [polygon_symbol(str(number), [_area(colour)]) for number, (colour, _) in enumerate(HEARD.values())]
    # QGIS compares values of categories as text; how it writes a truth value depends on its version
    return by_value(
        "if(received, 'yes', 'no')", [(value, label) for value, (_, label) in HEARD.items()], symbols, geometry=2
    )


def _area(colour: Colour) -> Element:
    properties = {"color": comma(colour), "style": "solid", "outline_style": "no"}
    return element("layer", [options(properties)], class_="SimpleFill", enabled=1, locked=0, pass_=0)


def _marker(name: str, colour: Colour) -> Element:
    properties = {"color": comma(colour), "name": "diamond", "size": 2.4, "size_unit": "MM",
                  "outline_color": comma(CASING), "outline_width": 0.2, "outline_width_unit": "MM"}  # fmt: skip
    layer = element("layer", [options(properties)], class_="SimpleMarker", enabled=1, locked=0, pass_=0)
    return element("symbol", [layer], name=name, type="marker", alpha=1, clip_to_extent=1, force_rhr=0)
