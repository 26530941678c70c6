"""Reader of YOLO annotations: one text file per image, with boxes or polygons as fractions of its width and height."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geoships.datasets.annotations.shapes import AnnotatedImage, NoAreaError, Shape, box, polygon, reading_errors
from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships.support.yaml_text import parse_yaml

NAME_LISTS = ("classes.txt", "obj.names")
DATA_FILES = ("data.yaml", "data.yml", "dataset.yaml")
LEVELS = 3  # folders above the labels in which names are searched
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
        names: Class names in the order of their numbers, used with a warning where neither a YAML file of the data set,
            classes.txt nor obj.names gives them: in the folder, in its subfolders or up to three folders above it.

    Returns:
        One image per text file, in the order of paths.

    Raises:
        GeoshipsError: A file is not valid.
    """
    listed = _listed_names(folder)
    images = [_read(path, size_of(path.stem), listed or dict(enumerate(names))) for path in label_files(folder)]
    if not listed:
        taken = ", ".join(f"{number} for {name}" for number, name in enumerate(names))
        warnings.warn(
            f"{folder}: no data.yaml, classes.txt or obj.names names the classes; took {taken}",
            GeoshipsWarning,
            stacklevel=2,
        )
    return images


def _read(path: Path, size: tuple[int, int] | None, names: dict[int, str]) -> AnnotatedImage:
    if size is None:
        return AnnotatedImage(path.name, None, ())
    with reading_errors(path, "YOLO"):
        shapes, left_out = [], []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                shapes += [_shape(line, number, size, names)] if line.strip() else []
            except NoAreaError as error:
                left_out.append(error.kind)
        return AnnotatedImage(path.name, size, tuple(shapes), tuple(left_out))


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
    except NoAreaError:
        raise
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _listed_names(folder: Path) -> dict[int, str]:
    """Class names by number of the nearest list: in the folder, up to LEVELS above it, or below it."""
    inner = sorted({path.parent for path in folder.rglob("*") if path.is_file()} - {folder})
    for level, place in enumerate([folder, *list(folder.resolve().parents)[:LEVELS], *inner]):
        for name in NAME_LISTS:
            if (place / name).is_file():
                lines = (place / name).read_text(encoding="utf-8").splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
        found = [path for name in DATA_FILES if (path := place / name).is_file()]
        found += [path for path in sorted(place.glob("*.y*ml")) if path not in found and _is_of(path, folder)]
        if found and (level < 2 or _is_of(found[0], folder) or "names" in _mapping(found[0])):
            return _read_yaml_names(found[0])
    return {}


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (GeoshipsError, OSError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_of(path: Path, folder: Path) -> bool:
    """Whether a YAML file names classes and says that its images lie in the data set of a folder of labels."""
    content = _mapping(path)
    if "names" not in content:
        return False
    root = path.parent / str(content.get("path") or "")
    parts = [content.get(key) for key in ("train", "val", "test")]
    images = [root / str(each) for part in parts if part for each in (part if isinstance(part, list) else [part])]
    labels = [Path(*("labels" if name == "images" else name for name in image.resolve().parts)) for image in images]
    own = folder.resolve()
    return any(own == label or own in label.parents or label in own.parents for label in labels)


def _read_yaml_names(path: Path) -> dict[int, str]:
    try:
        names = parse_yaml(path.read_text(encoding="utf-8"))["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (GeoshipsError, OSError, KeyError, TypeError, ValueError) as error:
        raise GeoshipsError(f"{path}: expected class names under `names`, as in YOLO: {error}") from error
