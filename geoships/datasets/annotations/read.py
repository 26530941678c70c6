"""Reads annotations of any supported format as images with shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from geoships.datasets.annotations.coco import read_coco
from geoships.datasets.annotations.cvat import read_cvat
from geoships.datasets.annotations.labelme import read_labelme
from geoships.datasets.annotations.shapes import AnnotatedImage
from geoships.datasets.annotations.yolo import label_files, read_yolo
from geoships.errors import GeoshipsError

FORMATS = ("cvat", "coco", "labelme", "yolo", "vector")


def detect_format(path: Path) -> str:
    """Detect the annotation format of a file or folder.

    Args:
        path: The file, or the folder of YOLO or Labelme files.

    Returns:
        One of FORMATS.

    Raises:
        GeoshipsError: The path does not exist, or its format is not recognised.
    """
    if path.is_dir():
        if label_files(path):
            return "yolo"
        if any(file.name != "tiles.json" for file in path.glob("*.json")):
            return "labelme"
        raise GeoshipsError(f"{path}: expected a folder of YOLO .txt or Labelme .json files, got neither")
    if not path.is_file():
        raise GeoshipsError(f"the annotation file {path} does not exist")
    if path.suffix.lower() == ".xml":
        return "cvat"
    return _detect_json_format(path) if path.suffix.lower() == ".json" else "vector"


def _detect_json_format(path: Path) -> str:
    try:
        keys = set(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError) as error:
        raise GeoshipsError(f"cannot read the annotations {path}: {error}") from error
    kinds = (("coco", "annotations"), ("labelme", "shapes"), ("vector", "features"), ("vector", "type"))
    for annotation_format, key in kinds:
        if key in keys:
            return annotation_format
    raise GeoshipsError(f"{path}: expected COCO, Labelme or GeoJSON, got other JSON; name the format with --format")


def read_annotations(
    path: Path, annotation_format: str, size_of: Callable[[str], tuple[int, int] | None], names: Sequence[str]
) -> list[AnnotatedImage]:
    """Read annotations in pixel coordinates.

    Args:
        path: The file or folder.
        annotation_format: One of FORMATS except ``vector``.
        size_of: Image sizes for YOLO; see `read_yolo`.
        names: Class names for YOLO; see `read_yolo`.

    Returns:
        The annotated images.

    Raises:
        GeoshipsError: The annotations are not valid.
    """
    if annotation_format == "yolo":
        return read_yolo(path, size_of, names)
    return {"cvat": read_cvat, "coco": read_coco, "labelme": read_labelme}[annotation_format](path)
