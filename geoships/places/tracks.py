"""Tracks of ships that are known by their AIS number in several passes."""

from __future__ import annotations

import warnings

import geopandas
import pandas as pd
import shapely

from geoships.errors import GeoshipsError
from geoships.scene.acquisition import parse_time

MISSING = "tracks need one more package: pip install 'geoships[tracks]'"
NO_MATCH = "the ships have no column mmsi; match each scene to AIS first (geoships ais match)"
STAMP = "%Y-%m-%dT%H:%M:%SZ"
COLUMNS = {"mmsi": "Int64", "sightings": "int64", "first_seen": "string", "last_seen": "string", "km": "float64"}


def ship_tracks(ships: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Join the sightings of each vessel by straight lines; where it sailed between two passes is not known.

    Args:
        ships: Ships of several passes that were matched to AIS, with the columns `mmsi` and `datetime`, such as
            `OverTime.ships`. Those without a number or a time are left out.

    Returns:
        One row a vessel that was seen at two times at least, in longitude and latitude: `mmsi`, `sightings`,
        `first_seen`, `last_seen`, and `km`, the length of the line.

    Raises:
        GeoshipsError: The ships have no such columns or no CRS, or geoships[tracks] is not installed.
    """
    sightings = _sightings(ships)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that are not used here, and of calls that pandas gives up
        try:
            from movingpandas import TrajectoryCollection
        except ModuleNotFoundError as error:
            raise GeoshipsError(MISSING) from error
        found = TrajectoryCollection(sightings, traj_id_col="mmsi", t="t", min_length=0).trajectories
        rows = [
            {"mmsi": int(each.id), "sightings": len(each.df), "first_seen": f"{each.get_start_time():{STAMP}}",
             "last_seen": f"{each.get_end_time():{STAMP}}", "km": round(each.get_length(units="km"), 3)}
            for each in found
        ]  # fmt: skip
        lines = [each.to_linestring() for each in found]
    columns = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(lines, crs=4326))


def _sightings(ships: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Centres of the ships with a number and a time, in longitude and latitude; one a vessel and time."""
    if "mmsi" not in ships or "datetime" not in ships:
        raise GeoshipsError(NO_MATCH)
    if ships.crs is None:
        raise GeoshipsError("the ships have no place on Earth: their table has no CRS")
    known = ships[ships["mmsi"].notna() & ships["datetime"].notna()]
    times = [parse_time(str(text)) for text in known["datetime"]]
    moments = pd.to_datetime([time.start for time in times if time], utc=True).tz_localize(None)
    kept = known[[time is not None for time in times]]
    return geopandas.GeoDataFrame(
        {"mmsi": kept["mmsi"].astype("int64").to_numpy(), "t": moments},
        geometry=shapely.centroid(kept.geometry.to_crs(4326).to_numpy()), crs=4326,
    ).drop_duplicates(["mmsi", "t"])  # fmt: skip
