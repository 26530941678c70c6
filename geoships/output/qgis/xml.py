"""Pieces of QGIS's XML that styles and projects share; read alike by QGIS 3.22 and all later 3.x."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pyproj import CRS

VERSION = "3.22.0"  # newer versions read older files, so the oldest one that is meant

Colour = tuple[int, int, int, int]  # red, green, blue, opacity, 0 to 255 each


def element(tag: str, content: str | Iterable[Element] = (), /, **attributes: object) -> Element:
    """Make an element of text, or of others. A trailing underscore, as in ``class_``, is no part of a name."""
    made = Element(tag, {name.rstrip("_"): str(value) for name, value in attributes.items()})
    if isinstance(content, str):
        made.text = content
    else:
        made.extend(content)
    return made


def document(root: Element, note: str | None = None) -> str:
    """Write a whole document, with QGIS's document type, and a note as a comment."""
    indent(root)
    comment = f"<!-- {note} -->\n" if note else ""
    body = tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{comment}{body}\n"


def options(values: Mapping[str, object]) -> Element:
    """The properties of a symbol layer."""
    found = element("Option", type="Map")
    for name, value in values.items():
        SubElement(found, "Option", name=name, type="QString", value=str(value))
    return found


def comma(colour: Colour) -> str:
    """Write a colour as QGIS does in symbols.

    >>> comma((255, 96, 0, 255))
    '255,96,0,255'
    """
    return ",".join(map(str, colour))


def hexadecimal(colour: Colour) -> str:
    """Write a colour as QGIS does in rasters; its opacity goes elsewhere.

    >>> hexadecimal((255, 96, 0, 255))
    '#ff6000'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour[:3])


def reference_system(crs: CRS | None) -> Element:
    """A CRS by its WKT 2, which loses nothing; with neither text nor number where there is none."""
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
    """An extent of map coordinates: west, south, east, north."""
    names = ("xmin", "ymin", "xmax", "ymax")
    return element(tag, [element(name, repr(float(v))) for name, v in zip(names, bounds, strict=True)])
