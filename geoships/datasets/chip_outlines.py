"""Reviewed outlines of ships in chips: a CSV file with one row per chip.

chip        name of the chip, for the reader; copies of the data set use other names
pixels      key of the chip: see `pixels_key`
kind        approved: an automatic mask, reviewed and accepted; corrected: drawn by hand; doubtful: the outline of the
            ship cannot be seen; vessel: a chip of class no-ship that shows a vessel or part of one
reason      why the automatic mask was not accepted, or why the chip is doubtful
outline     WKT polygon in pixels, x to the right and y down from the chip's upper left corner; empty for a vessel
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError

from geoships.errors import GeoshipsError

INSTALLED = Path(__file__).parent / "shipsnet_outlines.csv"
APPROVED, CORRECTED, DOUBTFUL, VESSEL = KINDS = ("approved", "corrected", "doubtful", "vessel")
COLUMNS = {"pixels", "kind", "outline"}


@dataclass(frozen=True)
class Outline:
    """The reviewed outline of one chip.

    Attributes:
        kind: One of KINDS.
        shape: Outline of its ship in pixels; None for a vessel.
    """

    kind: str
    shape: shapely.Geometry | None

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask (rows, columns) of the pixels whose centre lies inside."""
        if self.shape is None:
            return np.zeros(shape, np.bool_)
        return np.asarray(rasterio.features.rasterize([self.shape], shape, dtype="uint8"), np.bool_)


def pixels_key(rgb: NDArray[np.uint8]) -> str:
    """Return a key that identifies a chip by its pixels, whatever its name.

    Args:
        rgb: (rows, columns, 3); red, green and blue.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of its pixels.
    """
    return hashlib.sha256(np.ascontiguousarray(rgb).tobytes()).hexdigest()[:16]


def read_outlines(path: Path = INSTALLED) -> Mapping[str, Outline]:
    """Read reviewed outlines.

    Args:
        path: The CSV file; by default the outlines of "Ships in Satellite Imagery" in this package.

    Returns:
        Outlines by `pixels_key` of their chip.

    Raises:
        GeoshipsError: A line is not valid; the error names it.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeoshipsError(f"cannot read the outlines {path}: {error}") from error
    if not rows or not rows[0].keys() >= COLUMNS:
        raise GeoshipsError(f"the outlines {path}: expected rows with the columns {', '.join(sorted(COLUMNS))}")
    outlines: dict[str, Outline] = {}
    for line, row in enumerate(rows, 2):
        if row["kind"] not in KINDS:
            raise GeoshipsError(f"{path}, line {line}: expected a kind of {', '.join(KINDS)}, got {row['kind']!r}")
        try:
            shape = shapely.from_wkt(row["outline"]) if row["outline"] else None
        except ShapelyError as error:
            raise GeoshipsError(f"{path}, line {line}: expected an outline as WKT: {error}") from error
        if (row["kind"] == VESSEL) == bool(shape and shape.geom_type in ("Polygon", "MultiPolygon")):
            expected = "no outline" if row["kind"] == VESSEL else "a polygon"
            raise GeoshipsError(f"{path}, line {line}: expected {expected} for {row['kind']}, got {row['outline']!r}")
        outlines[row["pixels"]] = Outline(row["kind"], shape)
    return outlines
