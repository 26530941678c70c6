"""Annotations of any known kind as pictures with shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from geoships.datasets.annotations.coco import read_coco
from geoships.datasets.annotations.cvat import read_cvat
from geoships.datasets.annotations.labelme import read_labelme
from geoships.datasets.annotations.shapes import Picture
from geoships.datasets.annotations.yolo import label_files, read_yolo
from geoships.errors import GeoshipsError

KINDS = ("cvat", "coco", "labelme", "yolo", "vector")


def kind_of(path: Path) -> str:
    """Which of KINDS a file or folder is. Raises GeoshipsError where it is missing or does not tell."""
    if path.is_dir():
        if label_files(path):
            return "yolo"
        if any(file.name != "tiles.json" for file in path.glob("*.json")):
            return "labelme"
        raise GeoshipsError(f"{path} holds neither text files of YOLO nor JSON files of Labelme; name the file itself")
    if not path.is_file():
        raise GeoshipsError(f"there are no annotations {path}")
    if path.suffix.lower() == ".xml":
        return "cvat"
    return _kind_of_json(path) if path.suffix.lower() == ".json" else "vector"


def _kind_of_json(path: Path) -> str:
    try:
        keys = set(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise GeoshipsError(f"cannot read the annotations {path}: {error}") from error
    for kind, telling in (("coco", "annotations"), ("labelme", "shapes"), ("vector", "features")):
        if telling in keys:
            return kind
    raise GeoshipsError(f"{path} is neither of COCO, Labelme nor GeoJSON; give --format if it is one of these")


def read_pictures(
    path: Path, kind: str, size_of: Callable[[str], tuple[int, int] | None], names: Sequence[str]
) -> list[Picture]:
    """The pictures of annotations that are in pixels.

    kind: one of KINDS but vector. size_of, names: for YOLO; see `read_yolo`. Raises GeoshipsError.
    """
    if kind == "yolo":
        return read_yolo(path, size_of, names)
    return {"cvat": read_cvat, "coco": read_coco, "labelme": read_labelme}[kind](path)
