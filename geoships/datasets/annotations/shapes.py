"""What was drawn on pictures, whatever the tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    name: as the masks call it. value: of its pixels, 0 to 255; 255 says nothing about a pixel.
    colour: red, green, blue from 0 to 255. aliases: other names that tools use for it.
    """

    name: str
    value: int
    colour: tuple[int, int, int]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """One labelled thing. outline: a valid polygon or several, in pixels (column, row) of its picture."""

    label: str
    outline: BaseGeometry


@dataclass(frozen=True)
class Picture:
    """What was drawn on one picture.

    name: of its file. size: (height, width), where the annotations tell it.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...]

    @property
    def stem(self) -> str:
        """The name without folders and extension.

        >>> Picture("a/b_0_512.png", None, ()).stem
        'b_0_512'
        """
        return PurePosixPath(self.name.replace("\\", "/")).stem


@contextmanager
def refusing(path: Path, kind: str) -> Iterator[None]:
    """Turn what a broken file of annotations raises into one line about it."""
    try:
        yield
    except GeoshipsError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, OSError, SyntaxError) as error:  # SyntaxError: of XML
        reason = " ".join(str(error).split()) or type(error).__name__
        raise GeoshipsError(f"cannot read the {kind} annotations {path}: {reason[:300]}") from error


def polygon(points: Sequence[Sequence[float]] | NDArray[np.float64]) -> BaseGeometry:
    """A valid outline through points (column, row). Raises ValueError for fewer than three, and for no area."""
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError(f"an outline of {len(corners)} points is no polygon")
    return areal(shapely.Polygon(corners))


def box(left: float, top: float, right: float, bottom: float, turned: float = 0) -> BaseGeometry:
    """A box, turned by degrees clockwise around its middle."""
    corners = shapely.box(left, top, right, bottom)
    return areal(shapely.affinity.rotate(corners, turned, origin="center") if turned else corners)


def areal(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry, made valid. Raises ValueError where it has no area."""
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(geometry)))
    found = shapely.union_all([part for part in parts if part.geom_type == "Polygon"])
    if not found.area > 0 or not np.isfinite(found.area):
        raise ValueError("a shape has no area")
    return found


def from_mask(mask: NDArray[np.bool_], left: int = 0, top: int = 0) -> BaseGeometry:
    """The outline of the pixels of a mask (rows, columns), whose upper left corner is at a place."""
    found = rasterio.features.shapes(mask.astype(np.uint8), mask=mask)
    outline = shapely.union_all([shapely.geometry.shape(shape) for shape, _ in found])
    return areal(shapely.affinity.translate(outline, left, top))


def from_runs(runs: Sequence[int], shape: tuple[int, int], *, by_columns: bool) -> NDArray[np.bool_]:
    """The mask (rows, columns) of a run-length code: lengths of runs, of background first.

    by_columns: pixels are counted down the columns, as COCO does, and not along the rows, as CVAT does.

    >>> from_runs([1, 2, 1], (2, 2), by_columns=True).tolist()
    [[False, True], [True, False]]
    """
    lengths = np.asarray(runs, np.int64)
    if (lengths < 0).any() or lengths.sum() != shape[0] * shape[1]:
        raise ValueError(f"the runs of a mask cover {lengths.sum()} pixels, not {shape[0]} x {shape[1]}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape(shape, order="F" if by_columns else "C")
