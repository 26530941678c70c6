"""What `geoships predict` prints and writes if no output is named, and on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from geoships_cli.ship_table import ROWS, ship_lines
from scenes import ship_scene
from shapely import box

from geoships.output.ship_table import ships_frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scenes").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_without_an_output_ships_are_listed_and_written_where_one_stands(geoships, folder: Path) -> None:
    ship_scene(folder / "scenes" / "north.tif")
    code, out, _ = geoships("predict", folder / "scenes" / "north.tif", "--device", "cpu")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["ship", "score", "length", "m", "width", "m", "heading", "longitude", "latitude"]
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3", "4"]
    assert lines[1].split()[2:5] == ["200", "40", "90"]
    assert "4 ships in" in lines[5]
    assert lines[5].endswith("-> north.ships.geojson")
    assert len(json.loads((folder / "here" / "north.ships.geojson").read_text())["features"]) == 4
    assert [path.name for path in (folder / "scenes").iterdir()] == ["north.tif"]


def test_without_a_place_the_table_has_pixels(geoships, folder: Path) -> None:
    ship_scene(folder / "scenes" / "a.tif", transform=None, crs=None)
    _, out, _ = geoships("predict", folder / "scenes" / "a.tif", "--no-style")
    lines = out.splitlines()
    assert lines[0].split()[-2:] == ["column", "row"]
    assert lines[1].split() == ["1", "1.00", "-", "-", "-", "40.0", "22.0"]
    assert [path.name for path in (folder / "here").iterdir()] == ["a.ships.geojson"]


def test_quiet_and_json_print_no_table(geoships, folder: Path) -> None:
    ship_scene(folder / "scenes" / "a.tif")
    assert geoships("predict", folder / "scenes" / "a.tif", "--quiet") == (0, "", "")
    code, _, err = geoships("predict", folder / "scenes" / "a.tif", "--min-area", "400")
    assert (code, err.count("\n")) == (1, 1)
    assert "a.ships.geojson exists already" in err
    _, out, _ = geoships("predict", folder / "scenes" / "a.tif", "--json", "--stac", folder / "i.json", "--overwrite")
    assert json.loads(out)["outputs"] == {"vector": "a.ships.geojson", "stac": str(folder / "i.json")}


def test_a_dash_writes_geojson_to_standard_output_and_nothing_else(geoships, folder: Path) -> None:
    ship_scene(folder / "scenes" / "a.tif")
    code, out, err = geoships("predict", folder / "scenes" / "a.tif", "--out", "-")
    assert code == 0
    assert len(json.loads(out)["features"]) == 4
    assert "4 ships in" in err
    assert not list((folder / "here").iterdir())
    code, out, err = geoships("predict", folder / "scenes" / "a.tif", "--out", "-", "--quiet", "--mask", "m.tif")
    assert (len(json.loads(out)["features"]), err) == (4, "")
    assert (folder / "here" / "m.tif").exists()
    code, out, err = geoships("predict", folder / "scenes" / "a.tif", "--out", "-", "--json")
    assert (code, out) == (2, "")
    assert "both write to standard output" in " ".join(err.replace("│", "").split())
    assert geoships("predict", folder / "scenes" / "none.tif", "--out", "-")[:2] == (1, "")


def test_a_long_table_ends_with_the_number_of_the_rest() -> None:
    rows = [{"id": number, "score": number / 100, "pixels": 1, "on_border": False} for number in range(1, 51)]
    lines = ship_lines(ships_frame(rows, [box(0, 0, 1, 1)] * 50, None))
    assert len(lines) == 1 + ROWS + 1
    assert lines[1].split()[0] == "31"
    assert lines[-1] == "and 30 more with lower scores"
    assert ship_lines(ships_frame([], [], None)) == []
