"""Outlines of ships in chips, drawn or approved by hand: a CSV file with one row a chip.

chip        a name of the chip, to read; republished sets have others
pixels      what the chip is known by: see `pixels_key`
kind        approved: a drawn mask that was looked at and kept; corrected: drawn by hand; doubtful: nobody can tell
where the ship ends; vessel: a chip of class no-ship that shows (part of) one
reason      why the drawn mask is not kept, or why it is doubtful
outline     WKT polygon in pixels, x to the right and y down from the chip's upper left corner; none for a vessel
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
    """What is known of one chip. kind: one of KINDS. shape: of its ship in pixels; None for a vessel."""

    kind: str
    shape: shapely.Geometry | None

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels (rows, columns) whose centre lies inside."""
        if self.shape is None:
            return np.zeros(shape, np.bool_)
        return np.asarray(rasterio.features.rasterize([self.shape], shape, dtype="uint8"), np.bool_)


def pixels_key(picture: NDArray[np.uint8]) -> str:
    """What a chip is known by, whatever its name: the start of its pixels' SHA-256.

    picture: (rows, columns, 3), red, green, blue.
    """
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()[:16]


def read_outlines(path: Path = INSTALLED) -> Mapping[str, Outline]:
    """Outlines by the key of their chip's pixels. Raises GeoshipsError with the line that is wrong."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeoshipsError(f"cannot read the outlines {path}: {error}") from error
    if not rows or not rows[0].keys() >= COLUMNS:
        raise GeoshipsError(f"the outlines {path} lack rows, or the columns {', '.join(sorted(COLUMNS))}")
    found: dict[str, Outline] = {}
    for line, row in enumerate(rows, 2):
        if row["kind"] not in KINDS:
            raise GeoshipsError(f"{path}, line {line}: the kind is {row['kind']!r}, none of {', '.join(KINDS)}")
        try:
            shape = shapely.from_wkt(row["outline"]) if row["outline"] else None
        except ShapelyError as error:
            raise GeoshipsError(f"{path}, line {line}: the outline is no WKT: {error}") from error
        if (row["kind"] == VESSEL) == bool(shape and shape.geom_type in ("Polygon", "MultiPolygon")):
            raise GeoshipsError(f"{path}, line {line}: {row['kind']} with the outline {row['outline']!r}")
        found[row["pixels"]] = Outline(row["kind"], shape)
    return found
