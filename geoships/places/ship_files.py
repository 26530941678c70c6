"""Finds and reads the files of ships of many passes, and what was seen beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio

from geoships.errors import GeoshipsError
from geoships.output.read_ships import SUFFIXES, read_ships
from geoships.scene.layers.vector_file import read_vector

IN_FOLDERS = (".geojson", ".gpkg", ".fgb", ".parquet", ".geoparquet")  # .json may be anything
OBSERVED = "observed"  # layer of a GeoPackage, and part of the name of other files


@dataclass(frozen=True)
class ShipFile:
    """Ships of one file, and what was seen where they were looked for.

    Attributes:
        path: The file.
        ships: One row a ship, in longitude and latitude.
        observed: Rows with `kind`, `seen`, `km2`, `scene` and `datetime`, in longitude and latitude; None where the
            file has none.
    """

    path: Path
    ships: geopandas.GeoDataFrame
    observed: geopandas.GeoDataFrame | None


def ship_files(given: Sequence[str | Path]) -> list[Path]:
    """The files of ships in files and folders.

    Args:
        given: Files, or folders, of which all vector files are taken, those in folders of theirs, too.

    Returns:
        Each once, in order of their names.

    Raises:
        GeoshipsError: A file is missing, or there is none.
    """
    found: dict[Path, None] = {}
    for name in map(Path, given):
        if name.is_dir():
            found |= {path: None for path in sorted(name.rglob("*")) if _is_ships(path)}
        elif name.suffix.lower() not in SUFFIXES or not name.is_file():
            raise GeoshipsError(f"{name}: no such file or folder of ships; write one with geoships predict --out-dir")
        else:
            found[name] = None
    if not found:
        raise GeoshipsError(f"no file of ships in {', '.join(map(str, given))}")
    return list(found)


def _is_ships(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in IN_FOLDERS and not hidden and not path.stem.endswith(f".{OBSERVED}")


def read_file(path: Path) -> ShipFile:
    """Read one file of ships, and what was seen.

    Raises:
        GeoshipsError: It cannot be read, or has no place on Earth.
    """
    ships = read_ships(path)
    return ShipFile(path, _placed(ships, path), _observed(path))


def _placed(frame: geopandas.GeoDataFrame, path: Path) -> geopandas.GeoDataFrame:
    if frame.crs is None and len(frame):
        raise GeoshipsError(f"{path}: its ships have no place on Earth: the table has no CRS")
    placed = frame.set_crs(4326) if frame.crs is None else frame.to_crs(4326)
    return placed[placed.geometry.notna() & ~placed.geometry.is_empty].reset_index(drop=True)


def _observed(path: Path) -> geopandas.GeoDataFrame | None:
    if path.suffix.lower() == ".gpkg":
        if OBSERVED not in pyogrio.list_layers(path)[:, 0]:
            return None
        frame = geopandas.read_file(path, layer=OBSERVED)
    else:
        beside = path.with_name(f"{path.stem}.{OBSERVED}{path.suffix}")
        if not beside.is_file():
            return None
        frame = read_vector(beside, "what was seen")
    if not {"kind", "seen", "km2"} <= set(frame.columns) or frame.crs is None:
        return None
    return frame.to_crs(4326)


def joined(files: Sequence[ShipFile]) -> geopandas.GeoDataFrame:
    """The ships of all files as one table, with a column `file`."""
    tables = [file.ships.assign(file=str(file.path)) for file in files if len(file.ships)]
    if not tables:
        return geopandas.GeoDataFrame({"file": pd.Series([], dtype="string")}, geometry=[], crs=4326)
    return geopandas.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=4326)
