"""Reader of YOLO annotations: one text file per image, with boxes or polygons as fractions of its width and height."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml

from geoships.datasets.annotations.shapes import AnnotatedImage, Shape, box, polygon, reading_errors
from geoships.errors import GeoshipsError

NAME_LISTS = ("classes.txt", "obj.names")
_NOT_LABELS = {*NAME_LISTS, "train.txt", "val.txt", "test.txt", "validation.txt"}


def label_files(folder: Path) -> list[Path]:
    """Return the label files below a folder, sorted by path; lists of names and images are left out."""
    return [path for path in sorted(folder.rglob("*.txt")) if path.name.lower() not in _NOT_LABELS]


def read_yolo(
    folder: Path, size_of: Callable[[str], tuple[int, int] | None], names: Sequence[str]
) -> list[AnnotatedImage]:
    """Read the annotated images of a folder of YOLO text files.

    An empty file means an annotated image without ships; an image without a file was not annotated.

    Args:
        folder: Folder of the text files, at any depth.
        size_of: Returns (height, width) of an image from its file name without extension, or None for an unknown
            image, which is returned without a size and without shapes.
        names: Class names in the order of their numbers, used where neither data.yaml, classes.txt nor obj.names in
            the folder or its parent gives them.

    Returns:
        One image per text file, in the order of paths.

    Raises:
        GeoshipsError: A file is not valid.
    """
    listed = _listed_names(folder) or dict(enumerate(names))
    return [_read(path, size_of(path.stem), listed) for path in label_files(folder)]


def _read(path: Path, size: tuple[int, int] | None, names: dict[int, str]) -> AnnotatedImage:
    if size is None:
        return AnnotatedImage(path.name, None, ())
    with reading_errors(path, "YOLO"):
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        return AnnotatedImage(
            path.name, size, tuple(_shape(line, number, size, names) for number, line in lines if line.strip())
        )


def _shape(line: str, number: int, size: tuple[int, int], names: dict[int, str]) -> Shape:
    try:
        first, *rest = line.split()
        values = np.array(rest, np.float64)
        if len(values) != 4 and (len(values) < 6 or len(values) % 2):
            raise ValueError(f"expected 4 numbers of a box or x y pairs of a polygon, got {len(values)} numbers")
        if not ((values >= -0.01) & (values <= 1.01)).all():
            raise ValueError("expected coordinates as fractions of the image, 0 to 1")
        if int(first) not in names:
            raise ValueError(f"class {first} has no name; list the class names in data.yaml or classes.txt")
        height, width = size
        if len(values) == 4:
            x, y, box_width, box_height = values * (width, height, width, height)
            left, top = x - box_width / 2, y - box_height / 2
            return Shape(names[int(first)], box(left, top, x + box_width / 2, y + box_height / 2))
        return Shape(names[int(first)], polygon(values.reshape(-1, 2) * (width, height)))
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _listed_names(folder: Path) -> dict[int, str]:
    for parent in (folder, folder.parent):
        for name in NAME_LISTS:
            if (parent / name).is_file():
                lines = (parent / name).read_text(encoding="utf-8").splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
        if (parent / "data.yaml").is_file():
            return _read_yaml_names(parent / "data.yaml")
    return {}


def _read_yaml_names(path: Path) -> dict[int, str]:
    try:
        names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise GeoshipsError(f"{path}: expected class names under `names`, as in YOLO: {error}") from error
