"""YOLO: one text file a picture, of boxes or polygons in shares of its width and height."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml

from geoships.datasets.annotations.shapes import Picture, Shape, box, polygon, refusing
from geoships.errors import GeoshipsError

NAME_LISTS = ("classes.txt", "obj.names")
_NO_LABELS = {*NAME_LISTS, "train.txt", "val.txt", "test.txt", "validation.txt"}


def label_files(folder: Path) -> list[Path]:
    """The text files of labels below a folder."""
    return [path for path in sorted(folder.rglob("*.txt")) if path.name.lower() not in _NO_LABELS]


def read_yolo(folder: Path, size_of: Callable[[str], tuple[int, int] | None], names: Sequence[str]) -> list[Picture]:
    """Pictures of a folder of text files: an empty file is a picture without ships, none is one not looked at.

    size_of: gives (height, width) of a picture's stem, None for pictures that are not known; these come back without
    a size and without shapes. names: of the classes, in the order of their numbers, where the folder does not list
    them in data.yaml, classes.txt or obj.names.
    Raises GeoshipsError for broken files.
    """
    listed = _listed_names(folder) or dict(enumerate(names))
    return [_read(path, size_of(path.stem), listed) for path in label_files(folder)]


def _read(path: Path, size: tuple[int, int] | None, names: dict[int, str]) -> Picture:
    if size is None:
        return Picture(path.name, None, ())
    with refusing(path, "YOLO"):
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        return Picture(
            path.name, size, tuple(_shape(line, number, size, names) for number, line in lines if line.strip())
        )


def _shape(line: str, number: int, size: tuple[int, int], names: dict[int, str]) -> Shape:
    try:
        first, *rest = line.split()
        values = np.array(rest, np.float64)
        if len(values) != 4 and (len(values) < 6 or len(values) % 2):
            raise ValueError(f"{len(values)} numbers are neither a box nor a polygon")
        if not ((values >= -0.01) & (values <= 1.01)).all():
            raise ValueError("coordinates are no shares of the picture, 0 to 1")
        if int(first) not in names:
            raise ValueError(f"class {first} has no name; put the names into data.yaml or classes.txt")
        height, width = size
        if len(values) == 4:
            x, y, across, down = values * (width, height, width, height)
            return Shape(names[int(first)], box(x - across / 2, y - down / 2, x + across / 2, y + down / 2))
        return Shape(names[int(first)], polygon(values.reshape(-1, 2) * (width, height)))
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _listed_names(folder: Path) -> dict[int, str]:
    for place in (folder, folder.parent):
        for name in NAME_LISTS:
            if (place / name).is_file():
                lines = (place / name).read_text(encoding="utf-8").splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
        if (place / "data.yaml").is_file():
            return _names_of_yaml(place / "data.yaml")
    return {}


def _names_of_yaml(path: Path) -> dict[int, str]:
    try:
        names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise GeoshipsError(f"{path} does not list the names of classes as YOLO does: {error}") from error
