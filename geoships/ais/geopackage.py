"""Writes ships and AIS as one GeoPackage of three layers, each with its style for QGIS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import pyogrio

from geoships.ais.styles import heard_style, ships_style, unmatched_style
from geoships.errors import OutputError
from geoships.output.formats import add_style
from geoships.support.files import atomic_write, reserve
from geoships.support.overwrite import refuse_overwrites

if TYPE_CHECKING:
    from geoships.ais.match import AisMatch

UNMATCHED, HEARD = "ais_unmatched", "ais_heard"


def check_outputs(files: Mapping[Path, str], inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Check that files can be written, before anything is read.

    Args:
        files: Extension that each file must have.
        inputs: Files that are read, and are never written over.
        overwrite: Replace files that exist.

    Raises:
        OutputError: A file has another extension, exists, is read, or cannot be written.
    """
    for path, extension in files.items():
        if path.suffix.lower() != extension:
            raise OutputError(f"cannot write {path}: its name must end with {extension}")
    refuse_overwrites(files, inputs, overwrite=overwrite)
    for path in files:
        reserve(path)


def write_geopackage(path: Path, match: AisMatch) -> None:
    """Write the layers of a match: ships (named as the file), `ais_unmatched` and `ais_heard`.

    Args:
        path: The file (.gpkg), which appears when it is complete.
        match: The match.

    Raises:
        OutputError: The file cannot be written.
    """
    ships = match.ships.replace([math.inf, -math.inf], math.nan)
    layers = (
        (path.stem, ships, _kind(ships), "Ships and AIS", ships_style().qml()),
        (UNMATCHED, match.unmatched, "Point", "AIS that no ship fits", unmatched_style().qml()),
        (HEARD, match.heard, "Polygon", "Where AIS was heard", heard_style().qml()),
    )
    with atomic_write(path) as temporary:
        for number, (name, frame, kind, title, style) in enumerate(layers):
            pyogrio.write_dataframe(
                frame, temporary, layer=name, driver="GPKG", geometry_type=kind, append=number > 0,
                promote_to_multi=kind.startswith("Multi"),
                layer_options={"IDENTIFIER": title, "DESCRIPTION": title, "SPATIAL_INDEX": "YES"},
                dataset_options={} if number else {"VERSION": "1.2"},
            )  # fmt: skip
            add_style(temporary, name, style)


def _kind(frame: geopandas.GeoDataFrame) -> str:
    """Ships are polygons, unless a table of points was given."""
    points = len(frame) and frame.geometry.geom_type.isin(["Point"]).all()
    return "Point" if points else "MultiPolygon"
