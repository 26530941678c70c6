"""Writes several tables as the layers of one GeoPackage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pyogrio

from geoships.errors import OutputError
from geoships.output.formats import add_style
from geoships.support.files import atomic_write, reserve
from geoships.support.overwrite import refuse_overwrites


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        name: Its name.
        frame: Its rows.
        title: For humans.
        kind: Type of its geometries, also where it has none; points stay points.
        style: QML text of its style; None for none.
    """

    name: str
    frame: geopandas.GeoDataFrame
    title: str
    kind: str = "MultiPolygon"
    style: str | None = None


def check_files(files: Mapping[Path, Sequence[str]], inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Check that files can be written, before anything is read.

    Args:
        files: Extensions of which each file must have one.
        inputs: Files that are read, and are never written over.
        overwrite: Replace files that exist.

    Raises:
        OutputError: A file has another extension, exists, is read, or cannot be written.
    """
    for path, extensions in files.items():
        if path.suffix.lower() not in extensions:
            raise OutputError(f"cannot write {path}: its name must end with {' or '.join(extensions)}")
    refuse_overwrites(files, inputs, overwrite=overwrite)
    for path in files:
        reserve(path)


def write_layers(path: Path, layers: Sequence[Layer]) -> None:
    """Write a GeoPackage, which appears when it is complete.

    Args:
        path: The file (.gpkg).
        layers: Its layers; QGIS and others open the first one by default.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_write(path) as temporary:
        for number, layer in enumerate(layers):
            points = len(layer.frame) > 0 and bool(layer.frame.geometry.geom_type.eq("Point").all())
            kind = "Point" if points else layer.kind
            pyogrio.write_dataframe(
                layer.frame.replace([math.inf, -math.inf], math.nan), temporary, layer=layer.name, driver="GPKG",
                geometry_type=kind, append=number > 0, promote_to_multi=kind.startswith("Multi"),
                layer_options={"IDENTIFIER": layer.title, "DESCRIPTION": layer.title, "SPATIAL_INDEX": "YES"},
                dataset_options={} if number else {"VERSION": "1.2"},
            )  # fmt: skip
            if layer.style:
                add_style(temporary, layer.name, layer.style)
