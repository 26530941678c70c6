"""Motion of rendered ships and aircraft, whose motion is known."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from geoships_cli.app import app, main
from rasterio.errors import NotGeoreferencedWarning
from typer.testing import CliRunner

from geoships import MotionSettings, measure_motion
from geoships.errors import GeoshipsError
from geoships.motion.answer import speed_interval

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
try:
    from motion import DELAYS, GRID, write_scene
    from motion_scenes import Craft, render
finally:
    sys.path.pop(0)

SHIPS = (
    Craft(180, 28, 40, 9, wake=3),
    Craft(90, 15, 250, 7),
    Craft(120, 20, 160, 0),
    Craft(300, 45, 310, 12, wake=6),
    Craft(70, 11, 95, 14, wake=3),
)
PLANE = Craft(45, 6, 120, 210, aircraft=True)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[geopandas.GeoDataFrame, Path]:
    """Five ships and an aircraft, and their scene."""
    path = tmp_path_factory.mktemp("motion") / "scene.tif"
    scene = render(np.random.default_rng(5), [*SHIPS, PLANE], spacing=84)
    return write_scene(path, scene), path


@pytest.fixture(scope="module")
def measured(rendered) -> geopandas.GeoDataFrame:
    frame, path = rendered
    return measure_motion(frame, path, MotionSettings(delays=DELAYS)).ships


def test_ships_under_way_have_speed_and_course(measured) -> None:
    for row, ship in zip(measured.itertuples(), SHIPS, strict=False):
        if ship.speed:
            assert row.motion == "moving"
            assert abs((row.course_deg - ship.heading + 180) % 360 - 180) < 15
            assert abs(row.speed_ms - ship.speed) < 3
            assert row.speed_low_ms < row.speed_ms < row.speed_high_ms
            assert row.course_confidence > 0.95
            assert row.band_shift_px == pytest.approx(row.speed_ms * 0.99 / 10, rel=0.01)


def test_a_moored_ship_has_neither(measured) -> None:
    moored = measured.iloc[2]
    assert moored["motion"] == "still"
    assert np.isnan(moored["course_deg"])
    assert np.isnan(moored["speed_ms"])
    assert moored["speed_low_ms"] == 0
    assert 0 < moored["speed_high_ms"] < 5


def test_an_aircraft_is_flagged_and_dropped(rendered, measured) -> None:
    frame, path = rendered
    plane = measured.iloc[5]
    assert plane["motion"] == "aircraft"
    assert plane["speed_ms"] == pytest.approx(210, rel=0.1)
    assert (measured["motion"] == "aircraft").sum() == 1
    kept = measure_motion(frame, path, MotionSettings(delays=DELAYS, aircraft="drop"))
    assert kept.ships["id"].tolist() == [0, 1, 2, 3, 4]
    assert kept.summary["aircraft"] == 1


def test_where_the_order_of_the_bands_is_unknown_only_a_wake_tells_the_direction(rendered) -> None:
    frame, path = rendered
    found = measure_motion(frame, path, MotionSettings(delays="sentinel-2")).ships
    assert found["velocity_east_ms"].isna().all()
    assert (found["motion"].iloc[[0, 1, 3, 4]] == "moving").all()
    assert np.isnan(found["course_deg"].iloc[1])  # without a wake
    assert found["course_from"].iloc[3] == "wake"
    assert abs(found["course_deg"].iloc[3] - 310) < 15


def test_turned_times_turn_the_course(rendered, measured) -> None:
    frame, path = rendered
    turned = measure_motion(frame.iloc[[1]], path, MotionSettings(delays="blue=0,nir=-0.257,green=-0.515,red=-0.99"))
    difference = turned.ships["course_deg"].iloc[0] - measured["course_deg"].iloc[1]
    assert abs(difference) % 360 == pytest.approx(180, abs=1)


def test_a_mosaic_has_no_delays(rendered) -> None:
    frame, path = rendered
    found = measure_motion(frame, path)
    assert (found.ships["motion"] == "not measurable").all()
    assert found.summary["why_not"] == {"the delays between the bands are not known": 6}


def test_what_cannot_be_measured_says_why(rendered) -> None:
    frame, path = rendered
    x, y = GRID @ (40, 20)
    shapes = [
        shapely.box(x, y - 15, x + 15, y), shapely.box(x, y - 90, x + 90, y), shapely.box(0, 0, 100, 100),
        shapely.Polygon(),
    ]  # fmt: skip
    table = geopandas.GeoDataFrame({"name": list("abcd")}, geometry=shapes, crs=frame.crs)
    found = measure_motion(table, path, MotionSettings(delays=DELAYS)).ships
    assert (found["motion"] == "not measurable").all()
    assert found["motion_note"].tolist() == [
        "too small", "it hardly stands out from what is around it", "it is not in the scene", "it is not in the scene",
    ]  # fmt: skip
    assert found["name"].tolist() == list("abcd")


def test_bands_at_one_time_show_no_motion(rendered) -> None:
    frame, path = rendered
    found = measure_motion(frame, path, MotionSettings(delays="blue=0,red=0.1")).ships
    assert (found["motion_note"] == "the bands of the scene saw it at the same time, or at unknown times").all()


def test_ships_in_another_crs_and_a_second_run(rendered, measured) -> None:
    _, path = rendered
    again = measure_motion(measured.to_crs(4326), path, MotionSettings(delays=DELAYS)).ships
    assert list(again.columns).count("motion") == 1
    assert again["motion"].tolist() == measured["motion"].tolist()
    assert np.allclose(again["speed_ms"], measured["speed_ms"], atol=0.3, equal_nan=True)


def test_a_table_without_ships_keeps_its_columns(rendered) -> None:
    frame, path = rendered
    found = measure_motion(frame.iloc[:0], path, MotionSettings(delays=DELAYS))
    assert len(found.ships) == 0
    assert "course_deg" in found.ships
    assert found.summary["ships"] == 0


def test_scenes_and_tables_without_what_is_needed_are_refused(rendered, tmp_path: Path) -> None:
    frame, path = rendered
    for name, place, bands, text in (
        ("red.tif", {"crs": "EPSG:32631", "transform": GRID}, ("B04",), "only the band red"),
        ("flat.tif", {}, ("B02", "B04"), "no place on Earth"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                tmp_path / name, "w", driver="GTiff", width=9, height=9, count=len(bands), dtype="uint16", **place
            ) as dataset:
                dataset.write(np.full((len(bands), 9, 9), 500, "uint16"))
                dataset.descriptions = bands
        with pytest.raises(GeoshipsError, match=text):
            measure_motion(frame, tmp_path / name, MotionSettings(delays=DELAYS))
    with pytest.raises(GeoshipsError, match="no CRS"):
        measure_motion(frame.set_crs(None, allow_override=True), path, MotionSettings(delays=DELAYS))


def test_intervals_of_speeds_hold_the_true_speed() -> None:
    rng = np.random.default_rng(0)
    for true in (0.0, 0.8, 3.0, 30.0):
        seen = np.hypot(true + rng.normal(size=100), rng.normal(size=100))
        held = [low <= true <= high for low, high in (speed_interval(each, 1.0) for each in seen)]
        assert np.mean(held) > 0.85


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "parquet"])
def test_the_command_writes_every_format(rendered, tmp_path: Path, ending: str) -> None:
    frame, path = rendered
    ships, out = tmp_path / "ships.gpkg", tmp_path / f"moving.{ending}"
    frame.iloc[[0, 5]].to_file(ships)
    run = CliRunner().invoke(
        app,
        ["motion", str(ships), str(path), "--out", str(out), "--delays", DELAYS, "--aircraft", "drop", "--json"],
        catch_exceptions=False,
    )
    assert run.exit_code == 0
    facts = json.loads(run.stdout)
    assert (facts["moving"], facts["aircraft"], facts["with_course"]) == (1, 1, 2)
    table = geopandas.read_parquet(out) if ending == "parquet" else geopandas.read_file(out, layer="moving")
    assert table["motion"].tolist() == ["moving"]


def test_the_command_refuses_in_one_line(
    rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, path = rendered
    ships = tmp_path / "ships.gpkg"
    frame.to_file(ships)
    for arguments, text in (
        (["--out", str(ships)], "is the input"),
        (["--out", str(path)], "must end with"),
        (["--out", str(tmp_path / "o.gpkg"), "--delays", "red"], "cannot use the delays"),
    ):
        monkeypatch.setattr(sys, "argv", ["geoships", "motion", str(ships), str(path), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
