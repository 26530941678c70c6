"""COCO: one JSON file of polygons, boxes and masks."""

from __future__ import annotations

from pathlib import Path

import shapely
from pydantic import BaseModel
from shapely.geometry.base import BaseGeometry

from geoships.datasets.annotations.shapes import Picture, Shape, box, from_mask, from_runs, polygon, refusing


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


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def read_coco(path: Path) -> list[Picture]:
    """Pictures of a COCO file; those without annotations are looked at and empty.

    An annotation without a segmentation counts with its box. Raises GeoshipsError for broken files.
    """
    with refusing(path, "COCO"):
        read = _Coco.model_validate_json(path.read_bytes())
        names = {category.id: category.name for category in read.categories}
        shapes: dict[int, list[Shape]] = {image.id: [] for image in read.images}
        for number, annotation in enumerate(read.annotations):
            if annotation.image_id not in shapes or annotation.category_id not in names:
                raise ValueError(f"annotations[{number}] is of an image or a category that is not listed")
            try:
                outline = _outline(annotation)
            except ValueError as error:
                raise ValueError(f"annotations[{number}]: {error}") from error
            shapes[annotation.image_id].append(Shape(names[annotation.category_id], outline))
        return [Picture(image.file_name, (image.height, image.width), tuple(shapes[image.id])) for image in read.images]


def _outline(annotation: _Annotation) -> BaseGeometry:
    drawn = annotation.segmentation
    if isinstance(drawn, _Runs):
        return _from_runs(drawn)
    if drawn:
        rings = [list(zip(flat[::2], flat[1::2], strict=True)) for flat in drawn]
        return shapely.union_all([polygon(ring) for ring in rings])
    if annotation.bbox is None:
        raise ValueError("it has neither a segmentation nor a bbox")
    left, top, width, height = annotation.bbox
    return box(left, top, left + width, top + height)


def _from_runs(runs: _Runs) -> BaseGeometry:
    counts = runs.counts if isinstance(runs.counts, list) else decoded_runs(runs.counts)
    return from_mask(from_runs(counts, runs.size, by_columns=True))


def decoded_runs(text: str) -> list[int]:
    """Lengths of runs of COCO's compressed code: `rleFrString` of its maskApi.c, with bounds.

    Five bits a character from "0" on, low bits first, the sixth says that more follow; from the fourth number on,
    each is the difference to the last but one.

    >>> decoded_runs("342")
    [3, 4, 2]

    Raises ValueError for characters that do not belong there.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError(f"the compressed mask holds {character!r}, which does not belong there")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the compressed mask is cut off")
    return runs
