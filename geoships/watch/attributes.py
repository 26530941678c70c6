"""What rules can ask of a ship beyond its own columns: zone, dark, and what earlier passes saw at its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geoships.config.watch import WatchConfig
from geoships.errors import GeoshipsError
from geoships.scene.acquisition import iso
from geoships.scene.georeference import WGS84
from geoships.watch.store import Seen, Store

DAY = 86_400.0


def attributes(
    ships: geopandas.GeoDataFrame,
    zones: geopandas.GeoDataFrame | None,
    store: Store,
    moment: float,
    config: WatchConfig,
) -> list[dict[str, Any]]:
    """Attributes of each ship, by name; what is not known is None.

    Args:
        ships: The ships of one scene, with `lon` and `lat`.
        zones: Polygons in longitude and latitude with a column `zone`; None: there are none.
        store: The earlier passes.
        moment: Time of the scene, in seconds since 1970.
        config: Settings.
    """
    rows = [{name: _value(value) for name, value in row.items()} for row in _plain(ships)]
    names = _zones(ships, zones)
    passes = store.passes(moment, max(moment, store.newest()) - config.memory_days * DAY)
    places = {each.key: np.array(store.sightings(each.key)).reshape(-1, 2) for each in passes}
    for row, zone in zip(rows, names, strict=True):
        row["zone"] = zone
        row["dark"] = None if row.get("ais") is None else row["ais"] == "dark"
        seen = [_near(row, places[each.key], config.same_place_m) for each in passes if _covers(each, row)]
        row["passes_here"] = _in_a_row(seen)
        row["new"] = not seen[0] if seen else None
        row["loitering"] = row["passes_here"] + 1 >= config.loiter_passes
    return rows


def read_zones(config: WatchConfig) -> geopandas.GeoDataFrame | None:
    """Polygons with a column `zone`, in longitude and latitude; None where the settings name no file.

    Raises:
        GeoshipsError: The file cannot be read, has no such column, or has no place on Earth.
    """
    if config.zones is None:
        return None
    from geoships.scene.layers.vector_file import read_vector

    frame = read_vector(config.zones, "the zones")
    if config.zone_column not in frame:
        raise GeoshipsError(
            f"{config.zones} has no column {config.zone_column} with the names of zones; name it with zone_column"
        )
    if frame.crs is None:
        raise GeoshipsError(f"{config.zones} has no CRS, so its zones have no place on Earth")
    named = geopandas.GeoDataFrame({"zone": frame[config.zone_column].astype(str)}, geometry=frame.geometry)
    return named.to_crs(4326)


def _plain(ships: geopandas.GeoDataFrame) -> list[dict[str, Any]]:
    table = pd.DataFrame(ships.drop(columns=ships.geometry.name))
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _value(value: Any) -> Any:
    """A value as JSON and rules know it; None for what is missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return None if pd.isna(value) else iso(value.to_pydatetime())
    if isinstance(value, np.generic):
        return _value(value.item())
    return value if isinstance(value, bool | int | float | str) else str(value)


def _zones(ships: geopandas.GeoDataFrame, zones: geopandas.GeoDataFrame | None) -> list[str | None]:
    if zones is None or not len(ships):
        return [None] * len(ships)
    points = geopandas.GeoSeries.from_xy(ships["lon"], ships["lat"], crs=4326)
    index, owner = zones.sindex.query(points, predicate="intersects")
    names: list[str | None] = [None] * len(ships)
    for ship, zone in sorted(zip(index.tolist(), owner.tolist(), strict=True), reverse=True):
        names[ship] = str(zones["zone"].iloc[zone])
    return names


def _covers(seen: Seen, row: dict[str, Any]) -> bool:
    """Whether a pass saw the place of a ship, by the bounds of its scene."""
    west, south, east, north = seen.bounds
    if row.get("lon") is None or row.get("lat") is None or not south <= row["lat"] <= north:
        return False
    return bool(west <= row["lon"] <= east)


def _near(row: dict[str, Any], places: NDArray[np.float64], metres: float) -> bool:
    if not len(places):
        return False
    lon, lat = np.full(len(places), row["lon"]), np.full(len(places), row["lat"])
    return bool((np.asarray(WGS84.inv(lon, lat, places[:, 0], places[:, 1])[2]) <= metres).any())


def _in_a_row(seen: Sequence[bool]) -> int:
    """How many of the last passes saw a ship here, without one between them that did not."""
    return next((number for number, each in enumerate(seen) if not each), len(seen))
