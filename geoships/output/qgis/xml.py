"""XML elements that QGIS styles and projects share, for QGIS 3.22 and later 3.x."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pyproj import CRS

VERSION = "3.22.0"  # the oldest supported version: newer ones read its files

Colour = tuple[int, int, int, int]  # red, green, blue, opacity, 0 to 255 each


def element(tag: str, content: str | Iterable[Element] = (), /, **attributes: object) -> Element:
    """Make an XML element.

    Args:
        tag: Name of the element.
        content: Its text, or its child elements.
        **attributes: XML attributes. A trailing underscore, as in ``class_``, is not part of the name.

    Returns:
        The element.
    """
    result = Element(tag, {name.rstrip("_"): str(value) for name, value in attributes.items()})
    if isinstance(content, str):
        result.text = content
    else:
        result.extend(content)
    return result


def document(root: Element, note: str | None = None) -> str:
    """Write a document with QGIS's document type. note: a comment before the root element."""
    indent(root)
    comment = f"<!-- {note} -->\n" if note else ""
    body = tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{comment}{body}\n"


def options(values: Mapping[str, object]) -> Element:
    """Properties of a symbol layer."""
    properties = element("Option", type="Map")
    for name, value in values.items():
        SubElement(properties, "Option", name=name, type="QString", value=str(value))
    return properties


def comma(colour: Colour) -> str:
    """Format a colour as in QGIS symbols: red,green,blue,opacity.

    >>> comma((255, 96, 0, 255))
    '255,96,0,255'
    """
    return ",".join(map(str, colour))


def hexadecimal(colour: Colour) -> str:
    """Format a colour as in QGIS raster renderers, without its opacity.

    >>> hexadecimal((255, 96, 0, 255))
    '#ff6000'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour[:3])


def reference_system(crs: CRS | None) -> Element:
    """A CRS as WKT 2, which is lossless; an empty WKT where there is none."""
    system = element("spatialrefsys", nativeFormat="Wkt")
    if crs is None:
        system.append(element("wkt"))
        return system
    authority = crs.to_authority(min_confidence=100)
    system.append(element("wkt", crs.to_wkt("WKT2_2019")))
    system.append(element("authid", ":".join(authority) if authority else ""))
    system.append(element("description", crs.name))
    system.append(element("geographicflag", str(crs.is_geographic).lower()))
    return system


def rectangle(tag: str, bounds: tuple[float, float, float, float]) -> Element:
    """An extent. bounds: west, south, east, north, in map coordinates."""
    names = ("xmin", "ymin", "xmax", "ymax")
    return element(tag, [element(name, repr(float(v))) for name, v in zip(names, bounds, strict=True)])
