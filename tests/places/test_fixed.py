"""Structures, ships that lay still, and berths over many passes."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from fake_models import fake_bundle
from geoships_cli.app import app
from places.ports import FIRST, UTM, Port, make_port, observed, table, write
from scenes import ship_scene
from typer.testing import CliRunner

from geoships import FixedPlaces, FixedSettings, GeoshipsError, PredictConfig, SceneError, find_fixed, predict

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module", params=[0, 1, 2])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Port, FixedPlaces]:
    made = make_port(tmp_path_factory.mktemp("port"), seed=request.param, clouds=False)
    return made, find_fixed(made.folder)


def at(frame: geopandas.GeoDataFrame, places: list[tuple[float, float]], metres: float = 100) -> np.ndarray:
    """Whether a row of the frame lies at each place."""
    points = frame.to_crs(UTM).geometry.centroid
    spots = np.column_stack((points.x - 500_000, points.y - 5_000_000)).reshape(-1, 2)
    return np.array([bool((np.hypot(*(spots - place).T) < metres).any()) for place in places])


def test_structures_are_found_and_no_moored_ship_is_one(port: tuple[Port, FixedPlaces]) -> None:
    made, found = port
    assert at(found.structures, made.structures).mean() >= 0.5  # what the last pass misses may have left
    assert not at(found.structures, made.moored).any()
    assert not at(found.structures, made.berths).any()
    assert len(found.structures) == at(found.structures, made.structures).sum()
    assert (found.structures.passes >= 3).all()


def test_all_structures_are_found_where_no_pass_misses_one(tmp_path: Path) -> None:
    made = make_port(tmp_path, recall=1, clouds=False, seed=5)
    found = find_fixed(tmp_path)
    assert at(found.structures, made.structures).all()
    assert not at(found.structures, [*made.moored, *made.berths]).any()


def test_berths_are_where_ships_of_different_size_come_and_go(port: tuple[Port, FixedPlaces]) -> None:
    made, found = port
    assert at(found.berths, made.berths).mean() >= 0.9
    assert (found.berths.outlines >= 2).all()
    assert found.berths.occupied.between(0, 1).all()


def test_ships_know_their_place(port: tuple[Port, FixedPlaces]) -> None:
    _, found = port
    ships = found.ships
    assert (ships.place == "structure").sum() == found.structures.passes.sum()
    for kind, frame in (("structure", found.structures), ("still", found.still), ("berth", found.berths)):
        of_kind = ships[ships.place == kind]
        assert set(of_kind.place_id) <= set(frame.id)
    assert found.summary["ships"] == len(ships)
    assert found.structures.crs == ships.crs == "EPSG:4326"


BLOCK, HULL = (50.0, 30.0, 40.0), (200.0, 30.0, 40.0)  # length, width, heading


def passes(folder: Path, presence: list[str], others: str = "", size: tuple[float, float, float] = BLOCK) -> Path:
    """One thing that is there (x), away (-), or under a cloud (c), pass by pass; `others`: another one at its place."""
    for number, state in enumerate(presence):
        time = FIRST + 5 * number * DAY
        shapes = [(1000.0, 1000.0, *size)] if state == "x" else []
        if others and others[number] == "y":
            shapes.append((1010.0, 1000.0, 90.0, 15.0, 40.0))
        hidden = [shapely.Point(1000, 1000).buffer(300)] if state == "c" else []
        write(folder / f"p{number}.gpkg", table(shapes, time, f"p{number}"), observed(time, hidden))
    return folder


CASES = {
    "xxx": "structure", "xxxx-x-xx": "structure", "x-xx-x": "structure", "xxxcc": "structure", "xxxx-": "left",
    "xxx--": "left", "xxx---": "left", "--xxxx": "came", "xx-----": None, "xx-----x": "often away",
    "x----x----x": "often away", "xx--xxx-xx-": "left",
}  # fmt: skip


@pytest.mark.parametrize("presence", CASES)
def test_what_stood_still(presence: str, tmp_path: Path) -> None:
    found = find_fixed(passes(tmp_path, list(presence)))
    kinds = [*found.structures.kind, *found.still.kind]
    assert kinds == ([] if CASES[presence] is None else [CASES[presence]])


@pytest.mark.parametrize(
    ("presence", "kind"),
    [("xxxxxx", "structure"), ("xxccxx", "structure"), ("xxx-xx", "like a ship, and away"), ("xxxx-", "left")],
)
def test_what_is_like_a_ship_must_never_be_away(presence: str, kind: str, tmp_path: Path) -> None:
    found = find_fixed(passes(tmp_path, list(presence), size=HULL))
    assert [*found.structures.kind, *found.still.kind] == [kind]


@pytest.mark.parametrize(
    ("lengths", "kind"), [([228, 219, 237, 228], "structure"), ([228, 191, 237, 228], "outline changes")]
)
def test_ships_of_about_one_size_at_a_berth_are_no_structure(lengths: list[float], kind: str, tmp_path: Path) -> None:
    for number, length in enumerate(lengths):
        time = FIRST + number * DAY
        write(tmp_path / f"p{number}.gpkg", table([(1000, 1000, length, 55, 85)], time, f"p{number}"), observed(time))
    found = find_fixed(tmp_path)
    assert [*found.structures.kind, *found.still.kind] == [kind]


def test_another_outline_at_the_place_means_a_berth(tmp_path: Path) -> None:
    found = find_fixed(passes(tmp_path, list("xxx-x-x"), "---y---"))
    assert found.structures.empty
    assert found.still.kind.tolist() == ["outline changes"]
    assert (found.berths.ships.tolist(), found.berths.outlines.tolist()) == ([6], [2])
    assert set(found.ships.place) == {"still", "berth"}


def test_without_observed_areas_a_pass_tells_of_its_hull_only(tmp_path: Path) -> None:
    corners = [(0.0, 0.0, 100.0, 20.0, 0.0), (3000.0, 0.0, 100.0, 20.0, 0.0), (0.0, 3000.0, 90.0, 20.0, 9.0)]
    for number in range(6):
        inside = [(800.0, 800.0, 60.0, 30.0, 0.0)] if number < 4 else []
        outside = [(9000.0, 9000.0, 60.0, 30.0, 0.0)] if number < 4 else []
        moved = [(x + 120 * number, y, *sizes) for x, y, *sizes in corners]
        write(tmp_path / f"p{number}.gpkg", table(moved + inside + outside, FIRST + number * DAY, "p"))
    found = find_fixed(tmp_path)
    assert found.summary["passes_with_observed"] == 0
    assert found.still.kind.tolist() == ["left"]
    assert found.structures.kind.tolist() == ["structure"]
    assert at(found.structures, [(9000, 9000)]).all()


def test_scenes_of_one_pass_count_once(tmp_path: Path) -> None:
    for day in range(2):
        for tile in "ab":
            time = FIRST + day * DAY + pd.Timedelta(seconds=15 * (tile == "b"))
            write(tmp_path / f"{day}{tile}.gpkg", table([(500, 500, 80, 20, 0)], time, tile), observed(time))
    with pytest.raises(GeoshipsError, match="2 passes in 4 files: 3 at least"):
        find_fixed(tmp_path)
    found = find_fixed(tmp_path, FixedSettings(passes=2))
    assert found.structures.passes.tolist() == [2]


def test_wrong_input_is_told(tmp_path: Path) -> None:
    with pytest.raises(GeoshipsError, match="no file of ships"):
        find_fixed(tmp_path)
    with pytest.raises(GeoshipsError, match="no such file or folder"):
        find_fixed(tmp_path / "missing.gpkg")
    write(tmp_path / "a.gpkg", table([(0, 0, 80, 20, 0)], FIRST, "a").drop(columns="datetime"))
    with pytest.raises(GeoshipsError, match="no acquisition time"):
        find_fixed(tmp_path)
    both = pd.concat([table([(0, 0, 80, 20, 0)], FIRST + day * DAY, "a") for day in range(2)])
    write(tmp_path / "a.gpkg", both)
    with pytest.raises(GeoshipsError, match="a file for each scene"):
        find_fixed(tmp_path)
    for wrong in ({"passes": 1}, {"distance": 0}, {"share": 2}):
        with pytest.raises(GeoshipsError, match=next(iter(wrong))):
            FixedSettings(**wrong)


def test_the_command_writes_layers_and_refuses_to_overwrite(tmp_path: Path) -> None:
    folder = tmp_path / "found"
    folder.mkdir()
    passes(folder, list("xxxx"))
    out = tmp_path / "fixed.gpkg"
    result = CliRunner().invoke(app, ["fixed", str(folder), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["structures"] == 1
    assert pyogrio.list_layers(out)[:, 0].tolist() == ["fixed", "still", "berths", "ships", "layer_styles"]
    assert geopandas.read_file(out, layer="fixed").passes.tolist() == [4]
    again = CliRunner().invoke(app, ["fixed", str(folder), "--out", str(out)])
    assert again.exit_code == 1
    assert CliRunner().invoke(app, ["fixed", str(folder), "--out", str(tmp_path / "a.shp")]).exit_code == 1


CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", tile_size=96)


def test_predict_marks_or_drops_what_stands_fixed(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    plain = predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle())
    assert "fixed" not in plain.ships
    known = plain.ships.iloc[[0, 2]].translate(15, -10)
    known = geopandas.GeoDataFrame(geometry=known, crs=plain.ships.crs)
    beside = shapely.box(500_000 + 605, 4_000_000 - 1000, 500_000 + 620, 4_000_000 - 985)  # at ship 3, but smaller
    known.loc[len(known) + 5] = [beside]
    known.to_file(tmp_path / "fixed.gpkg")
    marked = predict(
        tmp_path / "scene.tif", out=tmp_path / "ships.geojson", config=CONFIG, model=fake_bundle(),
        fixed=tmp_path / "fixed.gpkg",
    )  # fmt: skip
    assert marked.ships.fixed.tolist() == [True, False, True, False] or marked.ships.fixed.sum() == 2
    assert marked.summary()["fixed"] == 2
    dropped = predict(
        tmp_path / "scene.tif", config=CONFIG, model=fake_bundle(), fixed=tmp_path / "fixed.gpkg", drop_fixed=True
    )
    assert sorted(dropped.ships.length_m) == sorted(marked.ships.length_m[~marked.ships.fixed])
    with pytest.raises(GeoshipsError, match="is the input"):
        predict(tmp_path / "scene.tif", out=tmp_path / "fixed.gpkg", config=CONFIG, model=fake_bundle(),
                fixed=tmp_path / "fixed.gpkg", overwrite=True)  # fmt: skip


def test_points_without_a_size_fit_any(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    plain = predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle())
    points = geopandas.GeoDataFrame(geometry=plain.ships.geometry.centroid.iloc[[1]], crs=plain.ships.crs).to_crs(4326)
    points.to_file(tmp_path / "points.geojson")
    marked = predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle(), fixed=tmp_path / "points.geojson")
    assert marked.ships.fixed.tolist() == [False, True, False, False]


def test_a_scene_without_a_place_has_no_fixed_structures(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", transform=None, crs=None)
    points = geopandas.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4326)
    points.to_file(tmp_path / "points.geojson")
    with pytest.raises(SceneError, match="--fixed needs a georeferenced scene"):
        predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle(), fixed=tmp_path / "points.geojson")
