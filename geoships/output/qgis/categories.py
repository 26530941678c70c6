"""QGIS styles in which each value of a column has a symbol."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from geoships.output.qgis.styles import Style
from geoships.output.qgis.xml import Colour, comma, element, options


def by_value(attribute: str, labels: list[tuple[str, str]], symbols: list[Element], *, geometry: int) -> Style:
    """Symbols by the value of a column.

    Args:
        attribute: Column, or expression of QGIS.
        labels: Value and label of each category.
        symbols: Symbol of each, named by its number.
        geometry: Kind of geometry: 0 points, 2 polygons.
    """
    categories = [
        element("category", value=value, symbol=number, render="true", label=label, type="string")
        for number, (value, label) in enumerate(labels)
    ]
    renderer = element(
        "renderer-v2",
        [element("categories", categories), element("symbols", symbols)],
        type="categorizedSymbol", attr=attribute, symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip
    return Style((renderer, element("layerGeometryType", str(geometry))), (("hasScaleBasedVisibilityFlag", "0"),))


def polygon_symbol(name: str, layers: list[Element]) -> Element:
    """Symbol of a polygon, from its layers."""
    return element("symbol", layers, name=name, type="fill", alpha=1, clip_to_extent=1, force_rhr=0)


def line_layer(colour: Colour, width: float) -> Element:
    """Layer of a symbol: a line of a width in millimetres."""
    properties = {"line_color": comma(colour), "line_style": "solid", "line_width": width, "line_width_unit": "MM",
                  "joinstyle": "round", "capstyle": "round"}  # fmt: skip
    return element("layer", [options(properties)], class_="SimpleLine", enabled=1, locked=0, pass_=0)
