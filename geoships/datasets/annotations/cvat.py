"""Reader of CVAT for images 1.1: one XML file of polygons, boxes, ellipses and masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.shapes import (
    AnnotatedImage,
    NoAreaError,
    Shape,
    box,
    decode_runs,
    mask_outline,
    polygon,
    polygons_of,
    reading_errors,
)

MAX_BYTES = 2 << 30
_WITHOUT_OUTLINE = {"tag", "attribute"}  # elements that describe an image or a shape


def read_cvat(path: Path) -> list[AnnotatedImage]:
    """Read the annotated images of an `annotations.xml`.

    An image without shapes is annotated and empty.

    Args:
        path: The XML file.

    Returns:
        The images in the order of the file.

    Raises:
        GeoshipsError: The file is not valid CVAT XML, annotates a video, or has a shape without an area.
    """
    with reading_errors(path, "CVAT"):
        root = _root(path)
        if root.find("track") is not None:
            raise ValueError("expected annotations of images, got those of a video; export the job as CVAT for images")
        images = [_image(image) for image in root.iter("image")]
        if not images:
            raise ValueError("it lists no image; export the job as CVAT for images")
        return images


def _root(path: Path) -> ElementTree.Element:
    text = path.read_bytes()
    if len(text) > MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES} bytes, got {len(text)}")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("it declares XML entities, which are refused; CVAT does not write any")
    root = ElementTree.fromstring(text)  # noqa: S314 (entities are refused above)
    if root.tag != "annotations":
        raise ValueError(f"expected the root element annotations, got {root.tag}")
    return root


def _image(image: ElementTree.Element) -> AnnotatedImage:
    name = image.attrib["name"]
    try:
        size = int(image.attrib["height"]), int(image.attrib["width"])
        shapes, left_out = [], []
        for element in image:
            if element.tag in _WITHOUT_OUTLINE:
                continue
            try:
                shapes.append(Shape(element.attrib["label"], _outline(element)))
            except NoAreaError as error:
                left_out.append(error.kind)
    except (ValueError, KeyError) as error:
        raise ValueError(f"image {name}: {error}") from error
    return AnnotatedImage(name, size, tuple(shapes), tuple(left_out))


def _outline(element: ElementTree.Element) -> BaseGeometry:
    if element.tag not in _OUTLINES:
        raise NoAreaError(element.tag)
    return _OUTLINES[element.tag](element)


def _polygon(element: ElementTree.Element) -> BaseGeometry:
    return polygon([[float(value) for value in point.split(",")] for point in element.attrib["points"].split(";")])


def _box(element: ElementTree.Element) -> BaseGeometry:
    left, top, right, bottom = (float(element.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return box(left, top, right, bottom, float(element.get("rotation", 0)))


def _ellipse(element: ElementTree.Element) -> BaseGeometry:
    x, y, radius_x, radius_y = (float(element.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    if not np.isfinite([x, y, radius_x, radius_y]).all():
        raise NoAreaError("ellipse with coordinates that are not finite")
    ellipse = shapely.affinity.scale(shapely.Point(0, 0).buffer(1, quad_segs=32), radius_x, radius_y, origin=(0, 0))
    rotated = shapely.affinity.rotate(ellipse, float(element.get("rotation", 0)), origin=(0, 0))
    return polygons_of(shapely.affinity.translate(rotated, x, y))


def _mask(element: ElementTree.Element) -> BaseGeometry:
    left, top, width, height = (int(float(element.attrib[name])) for name in ("left", "top", "width", "height"))
    runs = np.array(element.attrib["rle"].split(","), np.int64)
    return mask_outline(decode_runs(runs.tolist(), (height, width), by_columns=False), left, top)


_OUTLINES: dict[str, Callable[[ElementTree.Element], BaseGeometry]] = {
    "polygon": _polygon,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
