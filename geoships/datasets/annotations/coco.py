"""Reader of COCO annotations: one JSON file of polygons, boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely
from pydantic import BaseModel
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.shapes import (
    AnnotatedImage,
    NoAreaError,
    Shape,
    box,
    decode_runs,
    mask_outline,
    polygon,
    reading_errors,
)


class _Image(BaseModel):
    id: int
    file_name: str
    height: int
    width: int


class _Category(BaseModel):
    id: int
    name: str


class _Runs(BaseModel):
    counts: list[int] | str
    size: tuple[int, int]


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    segmentation: list[list[float]] | _Runs | None = None
    bbox: tuple[float, float, float, float] | None = None
    rotation: float | None = None
    attributes: dict[str, Any] = {}

    @property
    def turn(self) -> float:
        """Degrees clockwise by which the bbox is turned around its centre, as CVAT states them."""
        stated = self.attributes.get("rotation") if self.rotation is None else self.rotation
        return float(stated or 0)


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def read_coco(path: Path) -> list[AnnotatedImage]:
    """Read the annotated images of a COCO file.

    An image without annotations is annotated and empty. An annotation without a segmentation stands for its box.

    Args:
        path: The JSON file.

    Returns:
        The images in the order of the file.

    Raises:
        GeoshipsError: The file is not valid COCO.
    """
    with reading_errors(path, "COCO"):
        coco = _Coco.model_validate_json(path.read_bytes())
        names = {category.id: category.name for category in coco.categories}
        shapes: dict[int, list[Shape]] = {image.id: [] for image in coco.images}
        left_out: dict[int, list[str]] = {image.id: [] for image in coco.images}
        sizes = {image.id: (image.height, image.width) for image in coco.images}
        for index, annotation in enumerate(coco.annotations):
            if annotation.image_id not in shapes or annotation.category_id not in names:
                raise ValueError(f"annotations[{index}]: its image_id or category_id is not listed")
            try:
                outline = _outline(annotation, sizes[annotation.image_id])
            except NoAreaError as error:
                left_out[annotation.image_id].append(error.kind)
                continue
            except ValueError as error:
                raise ValueError(f"annotations[{index}]: {error}") from error
            shapes[annotation.image_id].append(Shape(names[annotation.category_id], outline))
        return [
            AnnotatedImage(image.file_name, sizes[image.id], tuple(shapes[image.id]), tuple(left_out[image.id]))
            for image in coco.images
        ]


def _outline(annotation: _Annotation, size: tuple[int, int]) -> BaseGeometry:
    segmentation = annotation.segmentation
    if isinstance(segmentation, _Runs):
        if segmentation.size != size:
            raise ValueError(
                f"its mask has {segmentation.size[0]} x {segmentation.size[1]} pixels, but its image {size[0]} x "
                f"{size[1]}; annotate the image at its original size"
            )
        return _runs_outline(segmentation)
    if segmentation:
        return _union([list(zip(flat[::2], flat[1::2], strict=True)) for flat in segmentation])
    if annotation.bbox is None:
        raise ValueError("expected a segmentation or a bbox, got neither")
    left, top, width, height = annotation.bbox
    if width < 0 or height < 0:
        raise ValueError(f"its bbox has the size {width:g} x {height:g}; a bbox is left, top, width and height")
    return box(left, top, left + width, top + height, annotation.turn)


def _union(rings: Sequence[Sequence[tuple[float, float]]]) -> BaseGeometry:
    """The union of the rings that have an area; NoAreaError if none has."""
    outlines, reason = [], NoAreaError("polygon without area")
    for ring in rings:
        try:
            outlines.append(polygon(ring))
        except NoAreaError as error:
            reason = error
    if not outlines:
        raise reason
    return shapely.union_all(outlines)


def _runs_outline(runs: _Runs) -> BaseGeometry:
    counts = runs.counts if isinstance(runs.counts, list) else decode_compressed_runs(runs.counts)
    return mask_outline(decode_runs(counts, runs.size, by_columns=True))


def decode_compressed_runs(text: str) -> list[int]:
    """Decode the run lengths of a compressed COCO mask.

    This is `rleFrString` of COCO's maskApi.c, with bounds checks. A character holds five bits of a number, low bits
    first, counted from "0"; its sixth bit says that more characters follow. From the fourth number on, each is stored
    as the difference from the number two places before.

    >>> decode_compressed_runs("342")
    [3, 4, 2]

    Args:
        text: The compressed string.

    Returns:
        Lengths of runs in pixels, background first.

    Raises:
        ValueError: The string has an invalid character or is truncated.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError(f"the compressed mask has an invalid character, {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the compressed mask is truncated")
    return runs
