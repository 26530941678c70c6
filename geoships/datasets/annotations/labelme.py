"""Reader of Labelme annotations: one JSON file per image."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import cv2
import numpy as np
import shapely
from pydantic import BaseModel, Field
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.shapes import (
    AnnotatedImage,
    NoAreaError,
    Shape,
    box,
    mask_outline,
    polygon,
    polygons_of,
    reading_errors,
)


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    mask: str | None = None
    rotation: float | None = None  # degrees clockwise


class _File(BaseModel):
    shapes: list[_Shape]
    path: str = Field(alias="imagePath")
    height: int = Field(alias="imageHeight")
    width: int = Field(alias="imageWidth")


def read_labelme(path: Path) -> list[AnnotatedImage]:
    """Read the annotated images of Labelme files.

    Args:
        path: A JSON file, or a folder of which all `.json` files are read except `tiles.json`.

    Returns:
        One image per file, in the order of file names.

    Raises:
        GeoshipsError: A file is not valid Labelme JSON, or has a shape without an area.
    """
    files = [file for file in sorted(path.glob("*.json")) if file.name != "tiles.json"] if path.is_dir() else [path]
    return [_read(file) for file in files]


def _read(path: Path) -> AnnotatedImage:
    with reading_errors(path, "Labelme"):
        content = _File.model_validate_json(path.read_bytes())
        shapes, left_out = [], []
        for shape in content.shapes:
            try:
                shapes.append(Shape(shape.label, _outline(shape)))
            except NoAreaError as error:
                left_out.append(error.kind)
        return AnnotatedImage(content.path, (content.height, content.width), tuple(shapes), tuple(left_out))


def _outline(shape: _Shape) -> BaseGeometry:
    points = shape.points
    if shape.shape_type in ("polygon", "oriented_rectangle", "rotation") or (
        shape.shape_type == "rectangle" and len(points) == 4
    ):
        return polygon(points)
    if shape.shape_type in ("rectangle", "mask", "circle") and len(points) != 2:
        raise ValueError(f"expected 2 points of a {shape.shape_type}, got {len(points)}")
    if shape.shape_type == "rectangle":
        (left, top), (right, bottom) = points
        edges = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
        return box(*edges, shape.rotation or 0)
    if shape.shape_type == "circle":
        return polygons_of(shapely.Point(points[0]).buffer(math.dist(*points), quad_segs=32))
    if shape.shape_type == "mask" and shape.mask:
        mask = cv2.imdecode(np.frombuffer(base64.b64decode(shape.mask), np.uint8), cv2.IMREAD_UNCHANGED)
        if mask is None or mask.ndim != 2:
            raise ValueError("expected a mask as a greyscale PNG")
        height, width = (round(abs(points[1][axis] - points[0][axis])) + 1 for axis in (1, 0))
        if max(abs(mask.shape[0] - height), abs(mask.shape[1] - width)) > 1:
            raise ValueError(
                f"a mask has {mask.shape[0]} x {mask.shape[1]} pixels, but its corners are {height} x {width} pixels "
                "apart; annotate the image at its original size"
            )
        return mask_outline(mask > 0, round(points[0][0]), round(points[0][1]))
    raise NoAreaError(shape.shape_type)
