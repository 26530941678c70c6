"""Ships and AIS: a synthetic sea where it is known who broadcasts, and small cases by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from geoships_cli.app import app
from typer.testing import CliRunner

from geoships import MatchSettings, match_ais
from geoships.errors import GeoshipsError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TIME = pd.Timestamp("2024-06-01T10:00:00Z")
PER_DEGREE = 111_195.0


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory):
    """A smaller day of benchmarks/ais.py, its feed as MarineCadastre writes it, and its match."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from ais_day import make_day, write_csv
    finally:
        sys.path.remove(str(BENCHMARKS))
    made = make_day(2000, hours=4.5, seed=3)
    feed = tmp_path_factory.mktemp("day") / "day.csv"
    write_csv(made.messages, feed)
    return made, feed, match_ais(made.ships, feed)


def test_dark_ships_are_found_where_ais_is_received_and_nowhere_else(day) -> None:
    made, _, found = day
    called = (found.ships["ais"] == "dark").to_numpy()
    right = called & made.dark & made.heard
    assert right.sum() / called.sum() >= 0.95
    assert right.sum() / (made.dark & made.heard).sum() >= 0.9
    assert not (called & ~made.heard).any()
    assert (found.ships["ais"] == "unknown").to_numpy()[~made.heard].mean() > 0.8


def test_ships_that_broadcast_are_matched_to_themselves(day) -> None:
    made, _, found = day
    matched = (found.ships["ais"] == "matched").to_numpy()
    assert matched[~made.dark & made.heard].mean() > 0.95
    assert found.ships.loc[matched, "mmsi"].notna().all()
    assert (found.ships.loc[matched, "ais_confidence"] > 0.9).mean() > 0.9
    # a matched vessel has one ship, but for numbers that several vessels share
    assert found.ships.loc[matched, "mmsi"].duplicated().sum() <= found.summary["shared_mmsi"]


def test_the_summary_adds_up(day) -> None:
    made, _, found = day
    facts = found.summary
    assert facts["matched"] + facts["dark"] + facts["unknown"] == facts["ships"] == len(made.ships)
    assert facts["messages"]["read"] == len(made.messages)
    assert facts["messages"]["used"] + sum(facts["messages"]["left_out"].values()) == len(made.messages)
    assert facts["messages"]["left_out"]["position jumps"] > 0
    assert sum(facts["unmatched"].values()) == len(found.unmatched)
    json.dumps(facts)


def ship(lon: float, lat: float, length: float = 100.0, **more) -> dict:
    half = length / 2 / PER_DEGREE
    outline = shapely.box(lon - half / 6, lat - half, lon + half / 6, lat + half)
    return {
        "lon": lon, "lat": lat, "length_m": length, "width_m": length / 6, "heading_deg": 0.0, "area_m2": length**2 / 6,
        "pixels": int(length**2 / 600) or 1, "scene": "s.tif", "datetime": "2024-06-01T10:00:00Z", "geometry": outline,
    } | more  # fmt: skip


def table(*rows: dict) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(list(rows), geometry="geometry", crs=4326)


def moored(
    mmsi: int, lon: float, lat: float, length: float = 100.0, hours: float = 2.0, name: str = ""
) -> pd.DataFrame:
    """A vessel at rest that reports every minute."""
    times = TIME + pd.to_timedelta(np.arange(-hours * 60, hours * 60 + 1), unit="min")
    columns = {"mmsi": mmsi, "time": times, "lon": lon, "lat": lat, "sog": 0.0, "length": length, "name": name}
    return pd.DataFrame(columns)


def matched(folder: Path, ships: geopandas.GeoDataFrame, *vessels: pd.DataFrame, **settings):
    feed = folder / "feed.parquet"
    pd.concat(vessels, ignore_index=True).to_parquet(feed)
    return match_ais(ships, feed, MatchSettings(**settings))


def around(lon: float = 10.0, lat: float = 56.0) -> list[pd.DataFrame]:
    """Vessels on all sides, a kilometre or two away, which show that AIS is received."""
    places = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    return [
        moored(230_000_000 + n, lon + 0.02 * dx, lat + 0.011 * dy, 60) for n, (dx, dy) in enumerate(places)
    ]  # fmt: skip


def test_the_command_writes_three_layers_and_a_report_and_overwrites_nothing(tmp_path: Path) -> None:
    table(ship(10.0, 56.0), ship(10.005, 56.0)).to_parquet(tmp_path / "ships.parquet")
    pd.concat([*around(), moored(219000001, 10.0, 56.0)]).to_parquet(tmp_path / "feed.parquet")
    arguments = ["ais", "match", str(tmp_path / "ships.parquet"), "--ais", str(tmp_path / "feed.parquet")]
    arguments += ["--out", str(tmp_path / "matched.gpkg"), "--report", str(tmp_path / "matched.html"), "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["dark"] == 1
    layers = {str(name): kind for name, kind in pyogrio.list_layers(tmp_path / "matched.gpkg")}
    assert layers == {"matched": "MultiPolygon", "ais_unmatched": "Point", "ais_heard": "Polygon", "layer_styles": None}
    written = pyogrio.read_dataframe(tmp_path / "matched.gpkg", layer="matched")
    assert written["ais"].tolist() == ["matched", "dark"]
    styles = pyogrio.read_dataframe(tmp_path / "matched.gpkg", layer="layer_styles")
    assert set(styles["f_table_name"]) == set(layers) - {"layer_styles"}
    assert styles["styleQML"].str.contains("categorizedSymbol").all()
    page = (tmp_path / "matched.html").read_text("utf-8")
    assert "<td>dark: AIS is received here, and none fits</td><td>1</td>" in page
    before = (tmp_path / "matched.gpkg").read_bytes()
    with pytest.raises(GeoshipsError, match="exists already; name another, or use --overwrite"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (tmp_path / "matched.gpkg").read_bytes() == before
    again = CliRunner().invoke(app, [*arguments, "--overwrite", "--quiet"], catch_exceptions=False)
    assert again.exit_code == 0


def test_three_answers(tmp_path: Path) -> None:
    ships = table(ship(10.0, 56.0), ship(10.005, 56.0), ship(12.0, 56.0))
    found = matched(tmp_path, ships, *around(), moored(219000001, 10.0001, 56.0, name="Example@@"))
    assert found.ships["ais"].tolist() == ["matched", "dark", "unknown"]
    first = found.ships.iloc[0]
    assert (first["mmsi"], first["ais_name"], round(first["ais_distance_m"])) == (219000001, "EXAMPLE", 6)
    assert first["ais_confidence"] > 0.95
    assert found.ships["mmsi"].isna().tolist() == [False, True, True]
    assert "not received" in found.ships["ais_note"].iloc[2]
    assert found.heard["received"].any()


def test_without_messages_around_the_time_nothing_is_dark(tmp_path: Path) -> None:
    later = [each.assign(time=each["time"] + pd.Timedelta(hours=3.5)) for each in around()]
    found = matched(tmp_path, table(ship(10.005, 56.0)), *later)
    assert found.ships["ais"].tolist() == ["unknown"]


def test_vessels_without_a_ship_have_a_likely_reason(tmp_path: Path) -> None:
    area = geopandas.GeoDataFrame(geometry=[shapely.box(9.9, 55.9, 10.1, 56.1)], crs=4326)
    area.to_file(tmp_path / "area.geojson")
    clouds = geopandas.GeoDataFrame(geometry=[shapely.box(10.05, 55.9, 10.1, 56.1)], crs=4326)
    clouds.to_file(tmp_path / "clouds.geojson")
    silent = moored(219000006, 9.95, 56.05, hours=2)
    silent = silent[silent["time"] < TIME - pd.Timedelta(minutes=50)].assign(sog=14.0, cog=0.0, lat=55.9)
    vessels = {
        "outside": moored(219000001, 10.12, 56.0),
        "cloud": moored(219000002, 10.07, 56.0),
        "too small": moored(219000003, 10.03, 56.0, 15),
        "moored in a raft": moored(219000004, 10.0009, 56.0),
        "not found": moored(219000005, 9.95, 56.0),
        "size not known": moored(219000007, 9.97, 56.0, 0),
        "place not certain": silent,
    }
    found = matched(
        tmp_path, table(ship(10.0, 56.0)), moored(219000009, 10.0, 56.0), *vessels.values(),
        moored(219000008, 10.5, 56.0), area=tmp_path / "area.geojson", clouds=tmp_path / "clouds.geojson",
    )  # fmt: skip
    assert found.ships["mmsi"].tolist() == [219000009]
    assert dict(zip(found.unmatched["why"], found.unmatched["mmsi"], strict=True)) == {
        why: int(vessel["mmsi"].iloc[0]) for why, vessel in vessels.items()
    }


def test_an_aid_to_navigation_may_be_a_structure(tmp_path: Path) -> None:
    aid = moored(992190001, 10.0051, 56.0, 0, name="PLATFORM A")
    found = matched(tmp_path, table(ship(10.005, 56.0)), *around(), aid)
    assert found.ships["ais"].tolist() == ["dark"]
    assert "PLATFORM A" in found.ships["ais_note"].iloc[0]
    assert 992190001 not in set(found.unmatched["mmsi"])


def test_each_scene_is_matched_at_its_own_time(tmp_path: Path) -> None:
    times = TIME + pd.to_timedelta(np.arange(-60, 200), unit="min")
    north = 56 + np.arange(-60, 200) * 60 * 5 / PER_DEGREE
    vessel = pd.DataFrame({"mmsi": 219000001, "time": times, "lon": 10.0, "lat": north, "length": 100.0})
    later = {"scene": "t.tif", "datetime": "2024-06-01T12:00:00Z"}
    ships = table(ship(10.0, 56.0), ship(10.0, 56 + 7200 * 5 / PER_DEGREE, **later), ship(10.0, 56.0, **later))
    found = matched(tmp_path, ships, vessel)
    assert found.ships["ais"].tolist() == ["matched", "matched", "unknown"]


def test_a_time_that_is_wrong_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ships, vessels = [], []
    for number in range(8):
        lon, lat = 10 + 0.05 * number, 56.0
        minutes = np.arange(-120, 121)
        columns = {
            "mmsi": 219000001 + number, "time": TIME + pd.to_timedelta(minutes, unit="min"), "lon": lon,
            "lat": lat + minutes * 60 * 8 / PER_DEGREE, "sog": 8 / 1852 * 3600, "cog": 0.0, "length": 100.0,
        }  # fmt: skip
        vessels.append(pd.DataFrame(columns))
        ships.append(ship(lon, lat + (8 * 20 + rng.normal(0, 5)) / PER_DEGREE))
    found = matched(tmp_path, table(*ships), *vessels)
    assert found.summary["matched"] == 8
    assert found.summary["seconds_late"] == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    ("when", "states"),
    [("2024-06-01T09:59:50Z/2024-06-01T10:00:10Z", ["matched"]), ("2024-06-01 12:00:00+02:00", ["matched"])],
)
def test_times_are_read_as_predict_writes_them(when: str, states: list[str], tmp_path: Path) -> None:
    found = matched(tmp_path, table(ship(10.0, 56.0, datetime=when)), moored(219000001, 10.0, 56.0))
    assert found.ships["ais"].tolist() == states


def test_a_day_is_no_time(tmp_path: Path) -> None:
    vessel = moored(219000001, 10.0, 56.0)
    with pytest.raises(GeoshipsError, match="give it, as in --time"):
        matched(tmp_path, table(ship(10.0, 56.0, datetime="2024-06-01")), vessel)
    found = matched(tmp_path, table(ship(10.0, 56.0, datetime="2024-06-01"), ship(10.0, 56.0)), vessel)
    assert found.ships["ais"].tolist() == ["unknown", "matched"]
    assert found.ships["ais_note"].iloc[0] == "no acquisition time, or no place"
    found = matched(tmp_path, table(ship(10.0, 56.0, datetime=None)), vessel, time="2024-06-01T10:00:00Z")
    assert found.ships["ais"].tolist() == ["matched"]


def test_a_ship_without_a_place_is_unknown(tmp_path: Path) -> None:
    lost = ship(np.nan, np.nan) | {"geometry": None}
    found = matched(tmp_path, table(ship(10.0, 56.0), lost), moored(219000001, 10.0, 56.0))
    assert found.ships["ais"].tolist() == ["matched", "unknown"]


def test_no_ships_give_empty_tables(tmp_path: Path) -> None:
    empty = table(ship(10.0, 56.0)).iloc[:0]
    found = matched(tmp_path, empty, moored(219000001, 10.0, 56.0))
    assert (len(found.ships), len(found.unmatched), len(found.heard)) == (0, 0, 0)
    assert "ais" in found.ships


def test_ships_across_the_antimeridian(tmp_path: Path) -> None:
    ships = table(ship(-179.9999, 56.0), ship(179.995, 56.0))
    found = matched(tmp_path, ships, *around(180.0), moored(219000001, 179.9999, 56.0))
    assert found.ships["ais"].tolist() == ["matched", "dark"]


def test_an_earlier_match_is_replaced(tmp_path: Path) -> None:
    vessel = moored(219000001, 10.0, 56.0)
    once = matched(tmp_path, table(ship(10.0, 56.0)), vessel)
    twice = matched(tmp_path, once.ships, vessel)
    assert list(twice.ships) == list(once.ships)


def test_ships_without_a_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeoshipsError, match="no place on Earth"):
        matched(tmp_path, table(ship(10.0, 56.0)).set_crs(None, allow_override=True), moored(219000001, 10.0, 56.0))


@pytest.mark.parametrize("wrong", [{"max_gap": 1e6}, {"time_error": -1.0}, {"clock_error": float("nan")}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(GeoshipsError):
        MatchSettings(**wrong)


@pytest.mark.parametrize("package", ["duckdb", "pyais"])
def test_a_package_that_is_missing_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = tmp_path / "log.nmea"
    feed.write_text("!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\n")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(GeoshipsError, match=r"pip install 'geoships\[ais\]'"):
        match_ais(table(ship(10.0, 56.0)), feed)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--ais", "no.csv"], 1, "there is no file of AIS at no.csv"),
        (["--ais", "feed.csv", "--columns", "speed=x"], 1, "KIND=NAME"),
        (["--ais", "feed.csv", "--clouds", "no.gpkg"], 1, "cannot read the clouds"),
        ([], 2, "--ais"),
    ],
)
def test_wrong_use_is_one_clear_line(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(ship(10.0, 56.0)).to_parquet("ships.parquet")
    Path("feed.csv").write_text("mmsi,time,lon,lat\n219000001,2024-06-01T10:00:00,10.0,56.0\n")
    result = CliRunner().invoke(app, ["ais", "match", "ships.parquet", "--out", "out.gpkg", *arguments])
    assert result.exit_code == code
    text = str(result.exception) if code == 1 else result.output
    assert message in text
    assert code == 2 or "\n" not in text
    assert not Path("out.gpkg").exists()
