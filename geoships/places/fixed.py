"""Tells structures from ships: what stands at one place on several passes, and where ships come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError
from geoships.places.berths import Berth, find_berths
from geoships.places.passes import Passes, find_passes
from geoships.places.settings import FixedSettings
from geoships.places.ship_files import joined, read_file, ship_files
from geoships.places.sightings import Ints, Sightings, without_doubles
from geoships.places.standing import Standing, Why, find_standing

STANDING_COLUMNS: dict[str, str] = {
    "id": "int64",
    "kind": "string",
    "passes": "int64",
    "passes_seen": "int64",
    "first": "string",
    "last": "string",
    "length_m": "float64",
    "width_m": "float64",
    "heading_deg": "float64",
    "lon": "float64",
    "lat": "float64",
}
BERTH_COLUMNS: dict[str, str] = {
    "id": "int64",
    "ships": "int64",
    "passes": "int64",
    "passes_seen": "int64",
    "occupied": "float64",
    "outlines": "int64",
    "length_min_m": "float64",
    "length_max_m": "float64",
    "first": "string",
    "last": "string",
    "lon": "float64",
    "lat": "float64",
}
PLACE_COLUMNS = {"place": "string", "place_id": "Int64"}  # added to the ships


@dataclass(frozen=True)
class FixedPlaces:
    """Structures, ships that lay still, berths, and all ships with the place that each is at.

    Attributes:
        structures: What stands fixed: the outline that is in the middle of all, and in how many passes it was seen.
        still: What stood still for as many passes, but came, left, changed or was often away: ships at rest.
        berths: Places where ships of different outline come and go: the hull of their outlines.
        ships: All ships, with `place` (``structure``, ``still``, ``berth`` or none) and `place_id`.
        summary: Counts.
    """

    structures: geopandas.GeoDataFrame
    still: geopandas.GeoDataFrame
    berths: geopandas.GeoDataFrame
    ships: geopandas.GeoDataFrame
    summary: dict[str, Any]


def find_fixed(ships: str | Path | Sequence[str | Path], settings: FixedSettings | None = None) -> FixedPlaces:
    """Tell structures from ships, by what many passes over one place have found.

    Args:
        ships: Files of ships that `predict` wrote, each of one scene, or folders of them. Where they have the layer of
            what was seen (`predict --observed`), a pass under clouds tells nothing; without it, a pass tells of the
            hull of its ships only.
        settings: What counts as fixed; None for the defaults.

    Returns:
        Tables in longitude and latitude.

    Raises:
        GeoshipsError: A file cannot be read, or has no place or time; or there are too few passes.
    """
    settings = settings or FixedSettings()
    paths = ship_files([ships] if isinstance(ships, str | Path) else ships)
    files = [read_file(path) for path in paths]
    passes = find_passes(files)
    table = without_doubles(joined(files), passes, [str(path) for path in paths])
    if len(passes) < settings.passes:
        raise GeoshipsError(
            f"{len(passes)} passes in {len(files)} files: {settings.passes} at least are needed to tell what stands"
        )
    sightings = Sightings.of(table, passes, [str(path) for path in paths])
    standing = find_standing(sightings, passes, settings)
    fixed = [each for each in standing if each.why == Why.FIXED]
    still = [each for each in standing if each.why != Why.FIXED]
    free = np.ones(len(table), np.bool_)
    for each in fixed:
        free[each.members] = False
    berths = find_berths(sightings, free)
    return FixedPlaces(
        _standing_table(fixed, sightings, passes),
        _standing_table(still, sightings, passes),
        berth_table(berths, sightings, passes),
        _ships_table(table, {"berth": berths, "still": still, "structure": fixed}),
        {
            "passes": len(passes),
            "passes_with_observed": sum(passes.known),
            "ships": len(table),
            "structures": len(fixed),
            "sightings_of_structures": int(sum(len(each.members) for each in fixed)),
            "still": len(still),
            "still_by_reason": dict(Counter(str(each.why) for each in still)),
            "berths": len(berths),
        },
    )


def _standing_table(standing: Sequence[Standing], sightings: Sightings, passes: Passes) -> geopandas.GeoDataFrame:
    rows = [
        {
            "id": number,
            "kind": str(each.why),
            "passes": len(each.members),
            "passes_seen": int(each.seen.sum()),
            **_span(each.members, sightings, passes),
            **{
                f"{name}": round(float(getattr(sightings.sizes, name.partition("_")[0])[each.middle]), 1)
                for name in ("length_m", "width_m", "heading_deg")
            },
            "lon": round(float(sightings.lon[each.middle]), 7),
            "lat": round(float(sightings.lat[each.middle]), 7),
        }
        for number, each in enumerate(standing, 1)
    ]
    return _table(rows, STANDING_COLUMNS, [sightings.outlines[each.middle] for each in standing])


def berth_table(berths: Sequence[Berth], sightings: Sightings, passes: Passes) -> geopandas.GeoDataFrame:
    """Berths as rows with BERTH_COLUMNS: the hull of all outlines, in longitude and latitude."""
    rows, shapes = [], []
    for number, berth in enumerate(berths, 1):
        hull = shapely.convex_hull(shapely.union_all(sightings.outlines[berth.members]))
        centre, lengths = shapely.centroid(hull), sightings.sizes.length[berth.members]
        present = np.unique(sightings.at[berth.members])
        seen = int(np.union1d(np.flatnonzero(passes.sees(centre.x, centre.y)), present).size)
        known = lengths[np.isfinite(lengths)]
        rows.append({
            "id": number,
            "ships": len(berth.members),
            "passes": len(present),
            "passes_seen": seen,
            "occupied": round(len(present) / seen, 3),
            "outlines": berth.outlines,
            "length_min_m": round(float(known.min()), 1) if known.size else None,
            "length_max_m": round(float(known.max()), 1) if known.size else None,
            **_span(berth.members, sightings, passes),
            "lon": round(centre.x, 7),
            "lat": round(centre.y, 7),
        })  # fmt: skip
        shapes.append(hull)
    return _table(rows, BERTH_COLUMNS, shapes)


def _span(members: Ints, sightings: Sightings, passes: Passes) -> dict[str, str]:
    at = sightings.at[members]
    return {"first": time_text(passes, int(at.min())), "last": time_text(passes, int(at.max()))}


def time_text(passes: Passes, number: int) -> str:
    """Time of a pass as ISO 8601 text, to the second."""
    return passes.times[number].strftime("%Y-%m-%dT%H:%M:%SZ")


def _table(
    rows: Sequence[dict[str, Any]], kinds: dict[str, str], shapes: Sequence[BaseGeometry]
) -> geopandas.GeoDataFrame:
    columns = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(list(shapes), crs=4326))


def _ships_table(
    ships: geopandas.GeoDataFrame, places: Mapping[str, Sequence[Standing | Berth]]
) -> geopandas.GeoDataFrame:
    """The ships with PLACE_COLUMNS; of two places the later one counts."""
    kind, number = np.full(len(ships), None, object), np.full(len(ships), None, object)
    for name, found in places.items():
        for one, each in enumerate(found, 1):
            kind[each.members], number[each.members] = name, one
    return ships.drop(columns=[name for name in PLACE_COLUMNS if name in ships]).assign(
        place=pd.array(kind, dtype="string"), place_id=pd.array(number, dtype="Int64")
    )
