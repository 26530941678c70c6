"""CVAT for images 1.1: one XML file of polygons, boxes, ellipses and masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.shapes import Picture, Shape, areal, box, from_mask, from_runs, polygon, refusing

LARGEST = 2 << 30  # bytes
_OTHER = {"tag", "attribute"}  # about the picture or the shape, without an outline


def read_cvat(path: Path) -> list[Picture]:
    """Pictures of an `annotations.xml`; those without shapes are looked at and empty.

    Raises GeoshipsError for broken files, and for shapes without an area.
    """
    with refusing(path, "CVAT"):
        root = _root(path)
        if root.find("track") is not None:
            raise ValueError("it is of a video; export it as CVAT for images")
        found = [_picture(image) for image in root.iter("image")]
        if not found:
            raise ValueError("it names no image; export it as CVAT for images")
        return found


def _root(path: Path) -> ElementTree.Element:
    text = path.read_bytes()
    if len(text) > LARGEST:
        raise ValueError(f"it has {len(text)} bytes")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("it declares entities, which CVAT never does")
    root = ElementTree.fromstring(text)  # noqa: S314 (no entities, seen above)
    if root.tag != "annotations":
        raise ValueError(f"its outermost element is {root.tag}, not annotations")
    return root


def _picture(image: ElementTree.Element) -> Picture:
    name = image.attrib["name"]
    try:
        shapes = [Shape(element.attrib["label"], _outline(element)) for element in image if element.tag not in _OTHER]
    except (ValueError, KeyError) as error:
        raise ValueError(f"image {name}: {error}") from error
    return Picture(name, (int(image.attrib["height"]), int(image.attrib["width"])), tuple(shapes))


def _outline(element: ElementTree.Element) -> BaseGeometry:
    if element.tag not in _OUTLINES:
        raise ValueError(f"a {element.tag} has no area; draw one of {', '.join(_OUTLINES)}")
    return _OUTLINES[element.tag](element)


def _polygon(element: ElementTree.Element) -> BaseGeometry:
    return polygon([[float(part) for part in point.split(",")] for point in element.attrib["points"].split(";")])


def _box(element: ElementTree.Element) -> BaseGeometry:
    left, top, right, bottom = (float(element.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return box(left, top, right, bottom, float(element.get("rotation", 0)))


def _ellipse(element: ElementTree.Element) -> BaseGeometry:
    x, y, across, down = (float(element.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    circle = shapely.affinity.scale(shapely.Point(0, 0).buffer(1, quad_segs=32), across, down, origin=(0, 0))
    turned = shapely.affinity.rotate(circle, float(element.get("rotation", 0)), origin=(0, 0))
    return areal(shapely.affinity.translate(turned, x, y))


def _mask(element: ElementTree.Element) -> BaseGeometry:
    left, top, width, height = (int(float(element.attrib[name])) for name in ("left", "top", "width", "height"))
    runs = np.array(element.attrib["rle"].split(","), np.int64)
    return from_mask(from_runs(runs.tolist(), (height, width), by_columns=False), left, top)


_OUTLINES: dict[str, Callable[[ElementTree.Element], BaseGeometry]] = {
    "polygon": _polygon,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
