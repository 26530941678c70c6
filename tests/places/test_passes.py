"""Arrivals, departures, stays and counts over many passes; each scene counts once, whatever happens."""

from __future__ import annotations

import json
import re
import time
from multiprocessing.context import BaseContext
from pathlib import Path

import command_jobs
import geopandas
import pandas as pd
import pytest
import shapely
from geoships_cli.app import app
from places.ports import FIRST, SIDE, UTM, observed, table, write
from typer.testing import CliRunner

from geoships import GeoshipsError, passes_over_time
from geoships.places.time_report import report

DAY = pd.Timedelta(days=1)
BIG, SMALL = (200.0, 30.0, 40.0), (40.0, 15.0, 40.0)


def port(folder: Path, rows: dict[tuple[float, float], tuple[str, tuple[float, float, float]]]) -> Path:
    """Passes five days apart. rows: by place, x where a ship is, - where none is, c where a cloud is; and its size."""
    for number in range(len(next(iter(rows.values()))[0])):
        when = FIRST + 5 * number * DAY
        shapes = [(*place, *size) for place, (states, size) in rows.items() if states[number] == "x"]
        clouds = [shapely.Point(place).buffer(400) for place, (states, _) in rows.items() if states[number] == "c"]
        write(folder / f"p{number:02}.gpkg", table(shapes, when, f"p{number:02}"), observed(when, clouds))
    return folder


def test_stays_begin_and_end_between_passes(tmp_path: Path) -> None:
    places = {(1000.0, 1000.0): ("-xx--", BIG), (4000.0, 1000.0): ("xcx--", SMALL), (7000.0, 7000.0): ("---xx", BIG)}
    found = passes_over_time(port(tmp_path, places))
    stays = found.stays.sort_values("id")
    day = [f"{FIRST + 5 * number * DAY:%Y-%m-%dT%H:%M:%SZ}" for number in range(5)]
    assert stays.passes.tolist() == [2, 2, 2]
    assert stays.first_seen.tolist() == [day[0], day[1], day[3]]
    assert stays.last_seen.tolist() == [day[2], day[2], day[4]]
    assert stays.arrived_after.fillna("").tolist() == ["", day[0], day[2]]
    assert stays.left_before.fillna("").tolist() == [day[3], day[3], ""]
    assert stays.days_least.tolist() == [10, 5, 5]
    assert stays.days_most.fillna(-1).tolist() == [-1, 15, -1]
    assert stays["class"].tolist() == ["under 50 m", "200 m and more", "200 m and more"]
    assert found.passes.ships.tolist() == [1, 1, 2, 1, 1]
    assert found.passes.arrivals.tolist() == [0, 1, 0, 1, 0]
    assert found.passes.departures.tolist() == [0, 0, 0, 2, 0]
    assert found.summary["stays"] == 3
    assert found.stays.crs == "EPSG:4326"


def test_counts_stand_beside_what_was_seen(tmp_path: Path) -> None:
    found = passes_over_time(port(tmp_path, {(1000.0, 1000.0): ("xcxcx", BIG), (9000.0, 9000.0): ("xxxxx", SMALL)}))
    cloud = 3.1416 * 400**2 / SIDE**2
    assert found.passes.observed.tolist() == pytest.approx([1, 1 - cloud, 1, 1 - cloud, 1], abs=1e-3)
    weeks = found.weeks
    assert set(weeks["class"]) == {"under 50 m", "50 to 100 m", "100 to 200 m", "200 m and more"}
    assert weeks.groupby("week").passes.first().sum() == 5
    # what stood there in all passes is a structure, not a ship
    assert found.summary["structures"] == 2
    assert weeks.sightings.sum() == 0


def test_zones_have_counts_of_their_own(tmp_path: Path) -> None:
    west, south, half = 500_000, 5_000_000, 505_000
    boxes = [shapely.box(west, south, half, south + SIDE), shapely.box(half, south, west + SIDE, south + SIDE)]
    zones = geopandas.GeoDataFrame({"port": ["west", "east"]}, geometry=boxes, crs=UTM)
    zones.to_file(tmp_path / "zones.geojson")
    folder = tmp_path / "found"
    folder.mkdir()
    port(folder, {(1000.0, 1000.0): ("xx-", BIG), (9000.0, 9000.0): ("-xx", SMALL), (9000.0, 2000.0): ("c-x", SMALL)})
    found = passes_over_time(folder, (tmp_path / "zones.geojson", "port"))
    ships = found.passes.pivot(index="pass", columns="zone", values="ships")
    assert ships.west.tolist() == [1, 1, 0]
    assert ships.east.tolist() == [0, 1, 2]
    seen = found.passes.pivot(index="pass", columns="zone", values="observed")
    assert seen.west.tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert seen.east[1] < 0.995
    with pytest.raises(GeoshipsError, match="no column name"):
        passes_over_time(folder, (tmp_path / "zones.geojson", "name"))


def test_a_scene_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    folder = port(tmp_path, {(1000.0, 1000.0): ("x-x", BIG), (4000.0, 4000.0): ("xx-", SMALL)})
    once = passes_over_time(folder)
    (folder / "again").mkdir()
    for path in list(folder.glob("*.gpkg")):
        (folder / "again" / f"copy-{path.name}").write_bytes(path.read_bytes())
    twice = passes_over_time(folder)
    assert twice.summary == {**once.summary, "repeated_scenes": 3}
    pd.testing.assert_frame_equal(twice.passes, once.passes)


def test_the_command_writes_tables_layers_and_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "found"
    folder.mkdir()
    port(folder, {(1000.0, 1000.0): ("x-x", BIG), (4000.0, 4000.0): ("xx-", SMALL)})
    out = folder / "time"
    command = ["passes", str(folder), "--out", str(out), "--title", "A <port>", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["passes"] == 3
    assert {path.name for path in out.iterdir()} == {
        "passes.csv", "weeks.csv", "stays.csv", "stays.parquet", "berths.parquet", "ships.parquet", "report.html",
    }  # fmt: skip
    assert len(geopandas.read_parquet(out / "stays.parquet")) == len(pd.read_csv(out / "stays.csv")) == 3
    page = (out / "report.html").read_text()
    assert "A &lt;port&gt;" in page
    assert page.count('<g class="pass"') == 3
    assert 'type="range"' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert CliRunner().invoke(app, command).exit_code == 1
    again = CliRunner().invoke(app, [*command, "--overwrite"])  # its own layers are no scenes
    assert json.loads(again.stdout)["sightings"] == 4
    assert CliRunner().invoke(app, [*command, "--zones", "nothing"]).exit_code == 2


def test_a_killed_run_leaves_nothing_and_the_next_counts_each_scene_once(
    tmp_path: Path, forkserver: BaseContext
) -> None:
    folder, out = tmp_path / "found", tmp_path / "time"
    folder.mkdir()
    port(folder, {(1000.0, 1000.0): ("x-" * 10, BIG), (4000.0, 4000.0): ("xx--" * 5, SMALL)})
    command = ["passes", str(folder), "--out", str(out), "--overwrite", "--json"]
    for delay in (0.2, 0.6, 1.2):
        process = forkserver.Process(target=command_jobs.command, args=tuple(command))
        process.start()
        time.sleep(delay)
        process.kill()
        process.join()
        assert not (out / "report.html").exists() or (out / "passes.csv").exists()
    found = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).stdout)
    assert (found["scenes"], found["sightings"]) == (20, 20)
    assert pd.read_csv(out / "passes.csv").ships.sum() == 20


def test_a_page_where_nothing_moves_and_nothing_tells_what_was_seen(tmp_path: Path) -> None:
    for number in range(3):
        when = FIRST + number * DAY
        write(tmp_path / f"p{number}.gpkg", table([(1000.0, 1000.0, *BIG)], when, f"p{number}"))
    found = passes_over_time(tmp_path)
    assert (found.summary["structures"], found.summary["stays"]) == (1, 0)
    assert "data:image/png" in report(found, "Still")
