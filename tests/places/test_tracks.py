"""Tracks of ships that were matched to AIS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import geopandas
import pandas as pd
import pytest
import shapely
from geoships_cli.app import app
from places.ports import FIRST, table, write
from pyproj import Geod
from typer.testing import CliRunner

from geoships import GeoshipsError, ship_tracks

DAY = pd.Timedelta(days=1)
SIZE = (100.0, 20.0, 40.0)


def matched(number: int, *ships: tuple[float, float, int | None]):
    """One pass; ships: place in metres, and their number."""
    frame = table([(x, y, *SIZE) for x, y, _ in ships], FIRST + number * DAY, f"p{number}")
    return frame.assign(mmsi=pd.array([mmsi for *_, mmsi in ships], dtype="Int64"))


def passes() -> list[geopandas.GeoDataFrame]:
    return [
        matched(0, (1000, 1000, 219000001), (5000, 5000, None)),
        matched(1, (1000, 4000, 219000001), (8000, 5000, 219000002)),
        matched(2, (5000, 4000, 219000001), (5000, 5000, None)),
    ]


def test_sightings_of_one_number_are_one_line() -> None:
    ships = pd.concat(passes()[::-1], ignore_index=True)
    found = ship_tracks(ships)
    assert found.mmsi.tolist() == [219000001]
    (line,) = found.geometry
    assert (found.crs, len(line.coords), found.sightings.tolist()) == ("EPSG:4326", 3, [3])
    centres = ships[ships.mmsi == 219000001].sort_values("datetime").geometry.centroid.to_crs(4326)
    assert shapely.hausdorff_distance(line, shapely.LineString(list(centres))) < 1e-5
    assert found.km[0] == pytest.approx(Geod(ellps="WGS84").geometry_length(line) / 1000, rel=0.01)
    assert (found.first_seen[0], found.last_seen[0]) == ("2024-03-01T10:30:00Z", "2024-03-03T10:30:00Z")


def test_no_vessel_twice_gives_a_table_with_its_columns() -> None:
    found = ship_tracks(passes()[0])
    assert (len(found), list(found.columns)) == (
        0, ["mmsi", "sightings", "first_seen", "last_seen", "km", "geometry"],
    )  # fmt: skip


def test_what_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeoshipsError, match="match each scene to AIS first"):
        ship_tracks(passes()[0].drop(columns="mmsi"))
    with pytest.raises(GeoshipsError, match="no CRS"):
        ship_tracks(passes()[0].set_crs(None, allow_override=True))
    monkeypatch.setitem(sys.modules, "movingpandas", None)
    with pytest.raises(GeoshipsError, match=r"geoships\[tracks\]"):
        ship_tracks(passes()[0])


def test_the_command_writes_tracks_where_it_is_asked(tmp_path: Path) -> None:
    folder, out = tmp_path / "matched", tmp_path / "report"
    folder.mkdir()
    for number, ships in enumerate(passes()):
        write(folder / f"p{number}.gpkg", ships)
    result = CliRunner().invoke(app, ["passes", str(folder), "--out", str(out), "--tracks", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["passes"] == 3
    assert geopandas.read_parquet(out / "tracks.parquet").sightings.tolist() == [3]
    again = CliRunner().invoke(app, ["passes", str(folder), "--out", str(tmp_path / "other")])
    assert again.exit_code == 0
    assert not (tmp_path / "other" / "tracks.parquet").exists()
