"""Annotated images and their shapes, independent of the annotation tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError

MAX_MASK_PIXELS = 2**31  # of an image; larger ones are not annotated as a whole


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    Attributes:
        name: Name of the class in masks.
        value: Value of its pixels in masks, 0 to 255; 255 marks pixels whose class is unknown.
        colour: Red, green and blue, 0 to 255.
        aliases: Other names for the class in annotations.
    """

    name: str
    value: int
    colour: tuple[int, int, int]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """A labelled shape.

    Attributes:
        label: Name of its class in the annotations.
        outline: A valid Polygon or MultiPolygon in pixels (column, row) of its image.
    """

    label: str
    outline: BaseGeometry


class NoAreaError(ValueError):
    """A shape is a line, a point or a polygon without area, which no pixel can lie in.

    Args:
        kind: What it is, such as ``polyline``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"a {kind} has no area; draw polygons, boxes, ellipses or masks")
        self.kind = kind


@dataclass(frozen=True)
class AnnotatedImage:
    """The shapes drawn on one image.

    Attributes:
        name: File name of the image, with or without folders.
        size: (height, width) in pixels; None where the annotations do not give it.
        shapes: Empty where the image was annotated and nothing was found.
        left_out: Kind of each shape that has no area.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...]
    left_out: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """File name without folders and extension.

        >>> AnnotatedImage("a/b_0_512.png", None, ()).stem
        'b_0_512'
        """
        return PurePosixPath(self.name.replace("\\", "/")).stem


@contextmanager
def reading_errors(path: Path, annotation_format: str) -> Iterator[None]:
    """Turn the errors that an invalid annotation file causes into one GeoshipsError.

    Args:
        path: The file, named in the error.
        annotation_format: Name of the format, for the error.

    Raises:
        GeoshipsError: The body raised an error that an invalid file can cause.
    """
    try:
        yield
    except GeoshipsError:
        raise
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise GeoshipsError(f"cannot read the {annotation_format} annotations {path}: {reason[:300]}") from error


# what Python, XML, OpenCV and GEOS raise for content that they cannot take
_FAULTS = (
    ValueError, KeyError, TypeError, IndexError, OSError, SyntaxError, OverflowError, RecursionError, cv2.error,
    shapely.errors.GEOSException,
)  # fmt: skip


def polygon(points: Sequence[Sequence[float]] | NDArray[np.float64]) -> BaseGeometry:
    """Make a valid polygon from its vertices.

    Args:
        points: (n, 2) vertices (column, row) in pixels.

    Returns:
        A Polygon or MultiPolygon.

    Raises:
        ValueError: There are fewer than three vertices, or the polygon has no area.
    """
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError(f"expected vertices of x and y, got {len(corners)} values")
    if not np.isfinite(corners).all():
        raise NoAreaError("polygon with coordinates that are not finite")
    if len(corners) < 3:
        raise NoAreaError(f"polygon of {len(corners)} {'vertex' if len(corners) == 1 else 'vertices'}")
    return polygons_of(shapely.Polygon(corners))


def box(left: float, top: float, right: float, bottom: float, rotation: float = 0) -> BaseGeometry:
    """Make a box.

    Args:
        left: Column of its left edge in pixels.
        top: Row of its upper edge.
        right: Column of its right edge.
        bottom: Row of its lower edge.
        rotation: Degrees clockwise around the centre.

    Returns:
        A polygon.

    Raises:
        ValueError: The box has no area.
    """
    if not np.isfinite([left, top, right, bottom, rotation]).all():
        raise NoAreaError("box with coordinates that are not finite")
    upright = shapely.box(left, top, right, bottom)
    return polygons_of(shapely.affinity.rotate(upright, rotation, origin="center") if rotation else upright)


def polygons_of(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, made valid.

    Args:
        geometry: Any geometry, valid or not.

    Returns:
        A Polygon or MultiPolygon; lines and points are dropped.

    Raises:
        ValueError: The geometry has no area.
    """
    geometries = shapely.get_parts(shapely.get_parts(shapely.make_valid(geometry)))
    polygons = shapely.union_all([part for part in geometries if part.geom_type == "Polygon"])
    if not polygons.area > 0 or not np.isfinite(polygons.area):
        raise NoAreaError("polygon without area")
    return polygons


def mask_outline(mask: NDArray[np.bool_], left: int = 0, top: int = 0) -> BaseGeometry:
    """Return the outline of a mask, along the edges of its pixels.

    Args:
        mask: (rows, columns).
        left: Column of the mask's left edge in the image.
        top: Row of the mask's upper edge in the image.

    Returns:
        A Polygon or MultiPolygon in pixels of the image.

    Raises:
        ValueError: The mask is empty.
    """
    regions = rasterio.features.shapes(mask.astype(np.uint8), mask=mask)
    outline = shapely.union_all([shapely.geometry.shape(region) for region, _ in regions])
    return polygons_of(shapely.affinity.translate(outline, left, top))


def decode_runs(runs: Sequence[int], shape: tuple[int, int], *, by_columns: bool) -> NDArray[np.bool_]:
    """Decode a run-length encoded mask (RLE).

    >>> decode_runs([1, 2, 1], (2, 2), by_columns=True).tolist()
    [[False, True], [True, False]]

    Args:
        runs: Lengths of runs in pixels, alternating, background first.
        shape: (rows, columns) of the mask.
        by_columns: Runs go down the columns, as in COCO, instead of along the rows, as in CVAT.

    Returns:
        The mask (rows, columns).

    Raises:
        ValueError: The runs do not cover exactly the mask's pixels.
    """
    if not 0 <= shape[0] * shape[1] <= MAX_MASK_PIXELS:
        raise ValueError(f"a mask of {shape[0]} x {shape[1]} pixels cannot be")
    lengths = np.asarray(runs, np.int64)
    if (lengths < 0).any() or lengths.sum() != shape[0] * shape[1]:
        raise ValueError(f"expected runs of a mask over {shape[0]} x {shape[1]} pixels, got {lengths.sum()} pixels")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape(shape, order="F" if by_columns else "C")
