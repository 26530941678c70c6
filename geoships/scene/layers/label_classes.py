"""Labels of several classes in one vector file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.polygons import PolygonLayer, polygon_layer
from geoships.scene.layers.vector_file import read_vector


@dataclass(frozen=True)
class LabelClasses:
    """How files tell the class of each label.

    Attributes:
        field: Column of a vector file that holds the name of the class, or its pixel value.
        classes: Name and pixel value of each class, in the order of their numbers.
    """

    field: str
    classes: tuple[tuple[str, int], ...]


def polygons_by_class(
    path: Path, georeference: Georeference, classes: LabelClasses
) -> tuple[list[PolygonLayer], tuple[str, ...]]:
    """Read the polygons of each class of a vector file.

    Args:
        path: Vector file in any CRS; see `read_vector`.
        georeference: Georeference of the scene.
        classes: The classes.

    Returns:
        The polygons of each class, and a warning that names rows of other classes, if there are any.

    Raises:
        SceneError: The file cannot be read, or has no column of classes.
    """
    frame = read_vector(path, "the labels")
    names = [name for name, _ in classes.classes]
    if classes.field not in frame and len(frame):
        columns = ", ".join(map(str, frame.columns.drop(frame.geometry.name))) or "none"
        raise SceneError(
            f"the labels {path} have no column {classes.field} with the class of each label (their columns: "
            f"{columns}); add it, or name another one"
        )
    given = [_class_text(value) for value in frame[classes.field]] if classes.field in frame else []
    layers = [
        polygon_layer(frame[np.isin(given, [name, str(value)])], georeference, f"the labels of {name} in {path}")
        for name, value in classes.classes
    ]
    unknown = sorted({*given} - {*names, *(str(value) for _, value in classes.classes)})
    if not unknown:
        return layers, ()
    others = ", ".join(name or "(none)" for name in unknown)
    return layers, (f"the labels {path}: rows of other classes than {', '.join(names)} are background: {others}",)


def _class_text(value: object) -> str:
    """The class that a column holds, as text: a name, or a whole number without its fraction; empty: none."""
    import pandas as pd

    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
