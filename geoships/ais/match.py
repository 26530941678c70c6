"""Matches ships to AIS: which of them broadcast, which are dark, and where nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas
import numpy as np

from geoships.ais.database import database
from geoships.ais.feed_files import find_feeds
from geoships.ais.feeds import Feeds, stage_empty
from geoships.ais.heard import HOURS, Hearing
from geoships.ais.one_pass import PassResult, Scenery, match_pass
from geoships.ais.results import heard_table, ship_table, summary, unmatched_table
from geoships.ais.seen import read_layer
from geoships.ais.settings import MatchSettings
from geoships.ais.ships import Ships, read_table
from geoships.ais.sightings import Sightings
from geoships.ais.tracks import make_tracks
from geoships.ais.wanted import Wanted, wanted
from geoships.output.read_ships import read_ships

MARGIN = 1_800.0  # seconds of AIS beyond the hours that are looked at: silence is judged by what comes before and after


@dataclass(frozen=True)
class AisMatch:
    """Ships and AIS.

    Attributes:
        ships: The table of ships, with a column `ais` (`matched`, `dark` or `unknown`) and the columns `mmsi` and
            `ais_...` beside it.
        unmatched: Points: vessels that broadcast in the area and that no ship fits, with the likely reason.
        heard: Cells in which AIS was heard, and whether it is received there well enough to call a ship dark.
        summary: Counts of ships, vessels and messages, and what was left out by reason.
    """

    ships: geopandas.GeoDataFrame
    unmatched: geopandas.GeoDataFrame
    heard: geopandas.GeoDataFrame
    summary: Mapping[str, Any]


def match_ais(
    ships: str | Path | geopandas.GeoDataFrame,
    feeds: str | Path | Sequence[str | Path],
    settings: MatchSettings | None = None,
) -> AisMatch:
    """Match ships to AIS.

    Args:
        ships: Ships that `predict` found: a file, or a table.
        feeds: Files of AIS, folders or patterns: NMEA sentences, CSV or Parquet.
        settings: How to match; None for the defaults.

    Returns:
        The ships with an answer each, the vessels that no ship fits, where AIS was heard, and counts.

    Raises:
        GeoshipsError: A file cannot be read, the ships have no place or time, or geoships[ais] is not installed.
    """
    settings = settings or MatchSettings()
    frame = ships if isinstance(ships, geopandas.GeoDataFrame) else read_ships(Path(ships))
    table = read_table(frame, settings.time, settings.time_error)
    files = find_feeds([feeds] if isinstance(feeds, str | Path) else feeds)
    scenery = Scenery(
        frame.geometry,
        None if settings.area is None else read_layer(settings.area, "the area"),
        None if settings.clouds is None else read_layer(settings.clouds, "the clouds"),
    )
    with TemporaryDirectory(prefix="geoships-ais-") as folder, database(Path(folder)) as connection:
        stage_empty(Path(folder))
        store = Feeds(connection, Path(folder))
        for file in files:
            store.read(file, _wanted(table, settings), settings.columns, settings.time_format)
        sightings = _sightings(store, table, settings)
        particulars, aids = store.particulars(), store.aids()
    results = [match_pass(each, table, particulars, scenery, settings) for each in sightings.passes]
    return _collect(frame, table, results, aids, store, sightings)


def _collect(
    frame: geopandas.GeoDataFrame,
    table: Ships,
    results: Sequence[PassResult],
    aids: Any,
    store: Feeds,
    sightings: Sightings,
) -> AisMatch:
    matched = ship_table(frame, table, results, aids)
    unmatched = unmatched_table(results)
    facts = summary(matched, unmatched, store, sightings, results)
    return AisMatch(matched, unmatched, heard_table(table, sightings.passes), facts)


def _wanted(table: Ships, settings: MatchSettings) -> Wanted:
    around = max(HOURS * 3600, settings.max_gap * 60) + MARGIN
    known = np.isfinite(table.time)
    return wanted(table.time[known].tolist(), table.lon[known], table.lat[known], around)


def _sightings(store: Feeds, table: Ships, settings: MatchSettings) -> Sightings:
    """Where vessels were at each moment, and where they were heard: one part of the vessels after the other."""
    moments = [(time, index, Hearing(time)) for time, index in table.passes()]
    sightings = Sightings(moments, table, settings.max_gap * 60)
    for fixes in store.fixes():
        sightings.add(make_tracks(fixes))
    return sightings
