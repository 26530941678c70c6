"""Passes over one place joined: arrivals, departures, stays, and counts beside the share that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError
from geoships.places.berths import find_berths
from geoships.places.fixed import berth_table, time_text
from geoships.places.passes import Passes, find_passes
from geoships.places.settings import FixedSettings
from geoships.places.ship_files import ShipFile, joined, read_file, ship_files
from geoships.places.sightings import Ints, Sightings, without_doubles
from geoships.places.standing import Why, find_standing
from geoships.places.stays import Stay, find_stays
from geoships.scene.layers.vector_file import read_vector

EVERYWHERE = "all"  # the zone of all ships, where none are given
CLASSES = ((50.0, "under 50 m"), (100.0, "50 to 100 m"), (200.0, "100 to 200 m"), (np.inf, "200 m and more"))
UNKNOWN = "unknown"  # length class of ships without a length


@dataclass(frozen=True)
class Zone:
    """A part of the place, such as a port.

    Attributes:
        name: Its name.
        area: Polygons in longitude and latitude; None: everywhere.
    """

    name: str
    area: BaseGeometry | None = None


@dataclass(frozen=True)
class OverTime:
    """What came and went over many passes.

    Attributes:
        passes: One row a pass and zone: `time`, `ships`, `arrivals`, `departures`, and `observed`, the share of the
            zone that was seen (0 to 1; none where that is not known).
        weeks: One row a zone, week and length class: mean number of `ships` a pass, `passes`, `observed`.
        stays: One row a stay, with the outline of its first sighting, in longitude and latitude.
        berths: As `find_fixed` finds them.
        ships: All sightings, with `pass`, `stay`, `zone` and `class`; structures have no stay.
        summary: Counts.
    """

    passes: pd.DataFrame
    weeks: pd.DataFrame
    stays: geopandas.GeoDataFrame
    berths: geopandas.GeoDataFrame
    ships: geopandas.GeoDataFrame
    summary: dict[str, Any]


def passes_over_time(ships: str | Path | Sequence[str | Path], zones: tuple[Path, str] | None = None) -> OverTime:
    """Join the passes over one place.

    Args:
        ships: Files of ships that `predict` wrote, one a scene, or folders of them. A scene that is there twice counts
            once. Only with what was seen (`predict --observed`) is it known that a ship left, and not just hidden.
        zones: Vector file of zones, such as ports, and the column of their names; None: all ships are in one.

    Raises:
        GeoshipsError: A file cannot be read, or has no place or time.
    """
    given = [ships] if isinstance(ships, str | Path) else ships
    files, repeated = _once([read_file(path) for path in ship_files(given)])
    names = [str(file.path) for file in files]
    passes = find_passes(files)
    table = without_doubles(joined(files), passes, names)
    sightings = Sightings.of(table, passes, names)
    free = np.ones(len(table), np.bool_)
    structures = [each for each in find_standing(sightings, passes, FixedSettings()) if each.why == Why.FIXED]
    for each in structures:
        free[each.members] = False
    stays, berths = find_stays(sightings, passes, free), find_berths(sightings, free)
    places = read_zones(zones)
    zone = _zone_of(sightings, places)
    kinds = length_classes(sightings.sizes.length)
    table = table.assign(
        **{"pass": sightings.at + 1}, zone=zone, stay=_numbers([each.members for each in stays], len(table)),
        berth=_numbers([each.members for each in berths], len(table)), **{"class": kinds},
    )  # fmt: skip
    shares = {place.name: _shares(place, passes) for place in places}
    per_pass = _per_pass(stays, sightings, passes, zone, shares)
    return OverTime(
        per_pass,
        _weeks(table[free], passes, shares),
        _stay_table(stays, sightings, passes, table),
        berth_table(berths, sightings, passes),
        table,
        {
            "scenes": len(files),
            "repeated_scenes": repeated,
            "passes": len(passes),
            "passes_with_observed": sum(passes.known),
            "sightings": len(table),
            "structures": len(structures),
            "stays": len(stays),
            "arrivals": int(per_pass["arrivals"].sum()),
            "departures": int(per_pass["departures"].sum()),
            "berths": len(berths),
            "zones": [place.name for place in places],
        },
    )


def _numbers(groups: Sequence[Ints], count: int) -> pd.api.extensions.ExtensionArray:
    """For each of `count` rows the number, from 1, of the group that holds it; missing for those in none."""
    numbers = np.full(count, None, object)
    for number, members in enumerate(groups, 1):
        numbers[members] = number
    return pd.array(numbers, dtype="Int64")


def _once(files: Sequence[ShipFile]) -> tuple[list[ShipFile], int]:
    """Each scene once, told by its name and time, and how many were left out."""
    kept: dict[tuple[str, ...], ShipFile] = {}
    for file in files:
        key = _identity(file)
        kept.setdefault(key, file)
    return list(kept.values()), len(files) - len(kept)


def _identity(file: ShipFile) -> tuple[str, ...]:
    for frame in (file.ships, file.observed):
        if frame is not None and len(frame) and {"scene", "datetime"} <= set(frame.columns):
            pairs = frame[["scene", "datetime"]].astype(str).drop_duplicates()
            return tuple(sorted("\t".join(pair) for pair in pairs.itertuples(index=False)))
    return (str(file.path),)


def read_zones(zones: tuple[Path, str] | None) -> list[Zone]:
    """The zones of a file, those of one name joined; one that is everywhere without a file.

    Raises:
        GeoshipsError: The file cannot be read, or has no such column.
    """
    if zones is None:
        return [Zone(EVERYWHERE)]
    path, column = zones
    frame = read_vector(path, "the zones")
    if column not in frame:
        raise GeoshipsError(f"{path} has no column {column}")
    frame = frame.set_crs(4326) if frame.crs is None else frame.to_crs(4326)
    frame = frame[frame.geometry.notna() & frame[column].notna()]
    found = [
        Zone(str(name), shapely.union_all(shapely.make_valid(own.geometry.to_numpy())))
        for name, own in frame.groupby(column, sort=True)
    ]
    if not found:
        raise GeoshipsError(f"{path} has no zones with a {column}")
    return found


def _zone_of(sightings: Sightings, zones: Sequence[Zone]) -> np.ndarray:
    """Name of the zone of each sighting; None outside of all."""
    found = np.full(len(sightings.lon), None, object)
    for zone in reversed(zones):
        inside = np.ones(len(found), np.bool_)
        if zone.area is not None:
            inside = shapely.contains_xy(zone.area, sightings.lon, sightings.lat)
        found[inside] = zone.name
    return found


def length_classes(length: np.ndarray) -> np.ndarray:
    """Class of each length in metres.

    >>> length_classes(np.array([20.0, 120, np.nan])).tolist()
    ['under 50 m', '100 to 200 m', 'unknown']
    """
    ends, names = zip(*CLASSES, strict=True)
    number = np.searchsorted(np.array(ends[:-1]), np.nan_to_num(length), side="right")
    return np.where(np.isfinite(length), np.array(names, object)[number], UNKNOWN)


def _shares(zone: Zone, passes: Passes) -> list[float | None]:
    """Share of a zone that each pass saw; None where the pass does not say."""
    whole = shapely.union_all(list(passes.looked)) if zone.area is None else zone.area
    if not whole.area:
        return [None] * len(passes)
    return [
        round(float(shapely.intersection(seen, whole).area / whole.area), 4) if known else None
        for seen, known in zip(passes.seen, passes.known, strict=True)
    ]


def _per_pass(
    stays: Sequence[Stay], sightings: Sightings, passes: Passes, zone: np.ndarray, shares: dict[str, list[float | None]]
) -> pd.DataFrame:
    rows = []
    for name, share in shares.items():
        own = [stay for stay in stays if zone[stay.members[0]] == name]
        present = np.bincount(
            np.concatenate([sightings.at[stay.members] for stay in own] or [np.array([], np.intp)]),
            minlength=len(passes),
        )
        came = np.bincount([int(sightings.at[stay.members[0]]) for stay in own if stay.before is not None],
                           minlength=len(passes))  # fmt: skip
        went = np.bincount([stay.after for stay in own if stay.after is not None], minlength=len(passes))
        rows += [
            {"pass": number + 1, "time": time_text(passes, number), "zone": name, "ships": int(present[number]),
             "arrivals": int(came[number]), "departures": int(went[number]), "observed": share[number]}
            for number in range(len(passes))
        ]  # fmt: skip
    return pd.DataFrame(rows).astype({"observed": "float64"})


def _weeks(ships: geopandas.GeoDataFrame, passes: Passes, shares: dict[str, list[float | None]]) -> pd.DataFrame:
    """Mean number of ships a pass by zone, week and length class."""
    week = [f"{time.isocalendar().year}-W{time.isocalendar().week:02}" for time in passes.times]
    rows = []
    for name, share in shares.items():
        own = ships[ships["zone"] == name]
        for one in dict.fromkeys(week):
            at = [number for number, other in enumerate(week) if other == one]
            known = [value for number in at if (value := share[number]) is not None]
            inside = own[own["pass"].isin([number + 1 for number in at])]
            for kind in (*(label for _, label in CLASSES), UNKNOWN):
                count = int((inside["class"] == kind).sum())
                if kind != UNKNOWN or count:
                    mean = round(float(np.mean(known)), 4) if known else None
                    rows.append({
                        "zone": name, "week": one, "class": kind, "passes": len(at), "sightings": count,
                        "ships": round(count / len(at), 3), "observed": mean,
                    })  # fmt: skip
    return pd.DataFrame(rows).astype({"observed": "float64"})


def _stay_table(
    stays: Sequence[Stay], sightings: Sightings, passes: Passes, ships: geopandas.GeoDataFrame
) -> geopandas.GeoDataFrame:
    rows = []
    for number, stay in enumerate(stays, 1):
        first, last = int(sightings.at[stay.members[0]]), int(sightings.at[stay.members[-1]])
        earliest = None if stay.before is None else passes.times[stay.before]
        latest = None if stay.after is None else passes.times[stay.after]
        least = (passes.times[last] - passes.times[first]).total_seconds() / 86400
        most = None if earliest is None or latest is None else (latest - earliest).total_seconds() / 86400
        berths = ships["berth"].iloc[stay.members].dropna()
        rows.append({
            "id": number, "zone": ships["zone"].iloc[stay.members[0]], "berth": berths.iloc[0] if len(berths) else None,
            "passes": len(stay.members), "class": ships["class"].iloc[stay.members[0]],
            "length_m": _median(sightings.sizes.length[stay.members]),
            "first_seen": time_text(passes, first), "last_seen": time_text(passes, last),
            "arrived_after": None if stay.before is None else time_text(passes, stay.before),
            "left_before": None if stay.after is None else time_text(passes, stay.after),
            "days_least": round(least, 2), "days_most": None if most is None else round(most, 2),
        })  # fmt: skip
    kinds = {"id": "int64", "zone": "string", "berth": "Int64", "passes": "int64", "class": "string",
             "length_m": "float64", "first_seen": "string", "last_seen": "string", "arrived_after": "string",
             "left_before": "string", "days_least": "float64", "days_most": "float64"}  # fmt: skip
    columns = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    shapes = [sightings.outlines[stay.members[0]] for stay in stays]
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(shapes, crs=4326))


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 1) if known.size else None
