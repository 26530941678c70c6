"""The tables that a match gives: ships, vessels that no ship fits, and where AIS was heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from geoships.ais.feeds import Feeds
from geoships.ais.heard import EARTH
from geoships.ais.messages import KNOT, LeftOut
from geoships.ais.one_pass import MOVING, PassResult, State
from geoships.ais.ships import Ships
from geoships.ais.sightings import Pass, Sightings
from geoships.ais.tracks import Floats, unit_vectors
from geoships.ais.unmatched import Why
from geoships.scene.acquisition import iso

# Columns that are added to the ships, and their types.
AIS_COLUMNS: dict[str, str] = {
    "ais": "string",
    "mmsi": "Int64",
    "ais_name": "string",
    "ais_distance_m": "float64",
    "ais_confidence": "float64",
    "ais_length_m": "float64",
    "ais_speed_kn": "float64",
    "ais_heading_deg": "float64",
    "ais_gap_min": "float64",
    "ais_heard": "float64",
    "ais_note": "string",
}
UNMATCHED_COLUMNS: dict[str, str] = {
    "mmsi": "Int64",
    "name": "string",
    "why": "string",
    "length_m": "float64",
    "speed_kn": "float64",
    "heading_deg": "float64",
    "gap_min": "float64",
    "error_m": "float64",
    "shared": "bool",
    "datetime": "string",
}
DOUBTFUL = 0.5  # confidence below which a match is noted as uncertain
AID_METRES = 100.0  # from an aid to navigation to a ship that may be its structure
CELL_METRES = 5_000.0  # side of the cells that show where AIS was heard
MAX_CELLS = 20_000  # of one moment; larger areas have larger cells
LEAST_SHIFT = 10.0  # seconds
_METRES_PER_DEGREE = 111_195.0


def ship_table(
    frame: geopandas.GeoDataFrame, ships: Ships, results: Sequence[PassResult], aids: pd.DataFrame
) -> geopandas.GeoDataFrame:
    """The table of ships with AIS_COLUMNS; columns of these names from an earlier match are replaced."""
    columns: dict[str, Any] = {name: np.full(len(frame), None, object) for name in AIS_COLUMNS}
    columns["ais"][:] = State.UNKNOWN.value
    columns["ais_note"][:] = "no acquisition time, or no place"
    for result in results:
        for name, values in _columns(result).items():
            columns[name][result.index] = values
    _note_aids(columns, ships, aids)
    table = frame.drop(columns=[name for name in AIS_COLUMNS if name in frame])
    added = {name: pd.array(_nulls(columns[name], kind), dtype=kind) for name, kind in AIS_COLUMNS.items()}
    return table.assign(**added)


def _nulls(values: Any, kind: str) -> Any:
    if kind == "float64":
        return pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(np.float64)
    return [None if pd.isna(value) else value for value in values]


def _columns(result: PassResult) -> dict[str, Any]:
    """Values of AIS_COLUMNS for the ships of a pass; those of a vessel only for matched ships."""
    matched = result.state == State.MATCHED
    vessel = np.where(matched, result.vessel, -1)

    def of_vessel(values: Any, decimals: int | None = None) -> Any:
        taken = np.append(np.asarray(values, object), np.array([None], object))[vessel]
        if decimals is None:
            return taken
        return [None if pd.isna(each) else round(float(each), decimals) for each in taken]

    places, known = result.vessels.places, result.particulars
    return {
        "ais": result.state,
        "mmsi": of_vessel(result.mmsi),
        "ais_name": of_vessel(known["name"]),
        "ais_distance_m": result.distance.round(1),
        "ais_confidence": result.confidence.round(3),
        "ais_length_m": of_vessel(known["length"], 1),
        "ais_speed_kn": of_vessel(places.speed / KNOT, 1),
        "ais_heading_deg": of_vessel(places.heading, 1),
        "ais_gap_min": of_vessel(places.gap / 60, 1),
        "ais_heard": result.heard.share.round(3),
        "ais_note": _notes(result),
    }


def _notes(result: PassResult) -> list[str | None]:
    names = [
        f"{mmsi}" if pd.isna(name) else f"{name} ({mmsi})"
        for mmsi, name in zip(result.mmsi.tolist(), result.particulars["name"], strict=True)
    ]
    notes: list[str | None] = []
    for state, vessel, confidence, received in zip(
        result.state, result.vessel.tolist(), result.confidence.tolist(), result.heard.received.tolist(), strict=True
    ):
        note = None
        if state == State.MATCHED and confidence < DOUBTFUL:
            note = "uncertain: another fits nearly as well"
        elif state == State.MATCHED and result.shared[vessel]:
            note = "its number is sent from several places"
        elif state == State.UNKNOWN and not received:
            note = "AIS is not received here, as far as others show"
        elif state == State.UNKNOWN:
            note = f"may be {names[vessel]}, heard {result.vessels.places.gap[vessel] / 60:.0f} min away"
        notes.append(note)
    return notes


def _note_aids(columns: dict[str, Any], ships: Ships, aids: pd.DataFrame) -> None:
    """Note aids to navigation at ships that are no vessel: they may be structures."""
    alone = np.flatnonzero((columns["ais"] != State.MATCHED) & np.isfinite(ships.lon))
    if not len(aids) or not alone.size:
        return
    tree = cKDTree(unit_vectors(aids["lon"].to_numpy(), aids["lat"].to_numpy()) * EARTH)
    found: Any = tree.query(unit_vectors(ships.lon[alone], ships.lat[alone]) * EARTH)
    distance, index = found
    reach = AID_METRES + np.nan_to_num(ships.length[alone]) / 2
    for ship, aid in zip(alone[distance <= reach], index[distance <= reach], strict=True):
        name, number = aids["name"].iloc[aid], int(aids["mmsi"].iloc[aid])
        named = number if pd.isna(name) else name
        columns["ais_note"][ship] = f"may be a structure: the aid to navigation {named} is here"


def unmatched_table(results: Sequence[PassResult]) -> geopandas.GeoDataFrame:
    """Vessels that no ship fits, as points in longitude and latitude with UNMATCHED_COLUMNS."""
    parts: list[dict[str, Any]] = []
    points: list[Any] = []
    for result in results:
        index = np.flatnonzero([why is not None for why in result.why])
        places, known = result.vessels.places.take(index), result.particulars.iloc[index]
        parts.append({
            "mmsi": result.mmsi[index],
            "name": known["name"].to_numpy(object),
            "why": [str(why) for why in result.why[index]],
            "length_m": known["length"].to_numpy(np.float64),
            "speed_kn": (places.speed / KNOT).round(1),
            "heading_deg": places.heading.round(1),
            "gap_min": (places.gap / 60).round(1),
            "error_m": result.vessels.error[index].round(),
            "shared": result.shared[index],
            "datetime": [_time_text(result.time)] * len(index),
        })  # fmt: skip
        places_xy: Any = shapely.points(np.column_stack((places.lon.round(7), places.lat.round(7))))
        points += list(places_xy)
    columns = {
        name: pd.array(_nulls([value for part in parts for value in part[name]], kind), dtype=kind)
        for name, kind in UNMATCHED_COLUMNS.items()
    }
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(points, crs=4326))


def heard_table(ships: Ships, passes: Sequence[Pass]) -> geopandas.GeoDataFrame:
    """Cells around the ships of each moment in which AIS was heard, in longitude and latitude."""
    frames = [_heard_cells(ships, each) for each in passes]
    columns = {"share": "float64", "vessels": "float64", "received": "bool", "datetime": "string"}
    if not any(len(frame) for frame in frames):
        empty = {name: pd.Series([], dtype=kind) for name, kind in columns.items()}
        return geopandas.GeoDataFrame(empty, geometry=geopandas.GeoSeries([], crs=4326))
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _heard_cells(ships: Ships, each: Pass) -> geopandas.GeoDataFrame:
    lon, lat = ships.lon[each.index], ships.lat[each.index]
    middle = float(lon[0])
    lon = (lon - middle + 180) % 360 - 180  # the antimeridian is far away now
    south, north = max(lat.min() - 0.1, -89.0), min(lat.max() + 0.1, 89.0)
    narrow = np.cos(np.radians(max(abs(south), abs(north))))
    west, east = lon.min() - 0.1 / narrow, lon.max() + 0.1 / narrow
    step = CELL_METRES / _METRES_PER_DEGREE
    step *= max(1.0, np.sqrt((north - south) * (east - west) * narrow / step**2 / MAX_CELLS))
    grid = np.meshgrid(np.arange(west, east, step / narrow), np.arange(south, north, step))
    columns, rows = (each.ravel() for each in grid)
    centres: Floats = (columns + step / narrow / 2 + middle + 180) % 360 - 180
    heard = each.hearing.at(centres, rows + step / 2)
    some = heard.share > 0
    half = step / narrow / 2
    cells = shapely.box(centres[some] - half, rows[some], centres[some] + half, rows[some] + step)
    values = {
        "share": heard.share[some].round(3),
        "vessels": heard.vessels[some].round(1),
        "received": heard.received[some],
        "datetime": pd.array([_time_text(each.time)] * int(some.sum()), dtype="string"),
    }
    return geopandas.GeoDataFrame(values, geometry=geopandas.GeoSeries(cells, crs=4326))


def summary(
    ships: geopandas.GeoDataFrame,
    unmatched: geopandas.GeoDataFrame,
    feeds: Feeds,
    sightings: Sightings,
    results: Sequence[PassResult],
) -> dict[str, Any]:
    """Counts of ships, vessels and messages."""
    counts = feeds.counts
    counts.left_out[LeftOut.JUMP] += sightings.jumps
    states = Counter(ships["ais"])
    why = Counter(unmatched["why"])
    left_out = {reason.value: counts.left_out[reason] for reason in LeftOut if counts.left_out[reason]}
    return {
        "ships": len(ships),
        **{state.value: states[state.value] for state in State},
        "vessels": sightings.vessels,
        "unmatched": {reason.value: why[reason.value] for reason in Why if why[reason.value]},
        "messages": {"read": counts.read, "used": counts.used, "left_out": left_out},
        "files": feeds.files,
        "shared_mmsi": len(sightings.shared),
        "seconds_late": _shift(results),
    }


def _shift(results: Sequence[PassResult]) -> float | None:
    """Seconds by which ships under way are ahead of their vessels, if they all are; None if not."""
    late = np.concatenate([np.zeros(0), *(result.late for result in results)])
    if len(late) < MOVING:
        return None
    middle = float(np.median(late))
    error = 1.4826 * float(np.median(np.abs(late - middle))) / np.sqrt(len(late))
    return round(middle, 1) if abs(middle) > max(LEAST_SHIFT, 3 * error) else None


def _time_text(seconds: float) -> str:
    return iso(datetime.fromtimestamp(round(seconds), UTC))
