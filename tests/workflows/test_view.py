"""The content of the page of a scene and its ships."""

import base64
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from ships_with_scene import SCORES, ships_and_scene

from geoships.errors import GeoshipsError
from geoships.workflows.view import write_view


def content(page: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text("utf-8"), re.S)
    assert match
    return json.loads(match[1])


def corners(outline: list[list[list[int]]], unit: int) -> np.ndarray:
    """(y, x) of the first ring."""
    return np.cumsum(np.reshape(outline[0][0], (-1, 2)), axis=0) / unit


@pytest.mark.parametrize("name", ["s.geojson", "s.gpkg", "s.fgb", "s.parquet"])
def test_every_vector_format_of_geoships_is_shown(tmp_path: Path, name: str) -> None:
    ships, scene = ships_and_scene(tmp_path, name)
    view = write_view(ships, scene, tmp_path / "page.html")
    assert (view.ships, view.chips, view.in_scene) == (4, 4, 4)
    assert view.bytes == (tmp_path / "page.html").stat().st_size < 1_000_000
    shown = content(tmp_path / "page.html")
    assert shown["on_map"]
    assert sorted(shown["values"]["score"]) == sorted(SCORES)
    assert {column["name"] for column in shown["columns"]} == {"score", "length_m", "pixels", "on_border", "scene"}
    (south, west), (north, east) = shown["scene"]["bounds"]
    for outline in shown["outlines"]:
        y, x = corners(outline, shown["unit"]).T
        assert south < y.min() < y.max() < north
        assert west < x.min() < x.max() < east + 1e-5
    for number, ship in enumerate(shown["names"]):
        chip = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["chips"][str(number)]))).convert("L"))
        assert chip.max() > 200, ship  # the ship is in its chip
        assert chip.min() < 50


def test_ships_on_both_sides_of_the_antimeridian_are_adjacent(tmp_path: Path) -> None:
    ships, scene = ships_and_scene(tmp_path, transform=Affine(10, 0, 816600, 0, -10, 8000000), crs="EPSG:32760")
    write_view(ships, scene, tmp_path / "page.html")
    shown = content(tmp_path / "page.html")
    (_, west), (_, east) = shown["scene"]["bounds"]
    assert west < 180 < east
    for outline in shown["outlines"]:
        for part in outline:
            x = np.cumsum(np.reshape(part[0], (-1, 2)), axis=0)[:, 1] / shown["unit"]
            assert west < x.min() < x.max() < east


def test_a_scene_without_georeference_is_shown_in_pixels(tmp_path: Path) -> None:
    ships, scene = ships_and_scene(tmp_path, transform=None, crs=None)
    view = write_view(ships, scene, tmp_path / "page.html")
    shown = content(tmp_path / "page.html")
    assert not shown["on_map"]
    assert shown["pixel_metres"] is None
    assert corners(shown["outlines"][0], shown["unit"]).min(axis=0).tolist() == [-24, 30]
    assert view.in_scene == 4


@pytest.mark.parametrize("name", ["s.geojson", "s.gpkg"])
def test_a_page_can_have_no_ships(tmp_path: Path, name: str) -> None:
    ships, scene = ships_and_scene(tmp_path, name, ships=())
    view = write_view(ships, scene, tmp_path / "page.html")
    assert (view.ships, view.chips) == (0, 0)
    assert content(tmp_path / "page.html")["outlines"] == []


def test_text_of_files_is_escaped(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&.tif"
    ships, scene = ships_and_scene(tmp_path, title=name)
    data = json.loads(ships.read_text())
    data["features"][0]["properties"]["remark"] = "</script><script>alert(2)</script>{{script}}"
    ships.write_text(json.dumps(data))
    write_view(ships, scene, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<img src=x" not in text
    assert "alert(2)</script>" not in text
    assert content(tmp_path / "page.html")["title"] == name
    assert content(tmp_path / "page.html")["values"]["remark"][0].endswith("{{script}}")
    assert text.count("<script") == 4


def test_shapes_without_an_area_are_said_to_be_left_out(tmp_path: Path) -> None:
    ships, scene = ships_and_scene(tmp_path)
    assert write_view(ships, scene, tmp_path / "page.html").warnings == ()
    data = json.loads(ships.read_text())
    corner = data["features"][0]["geometry"]["coordinates"][0][0]
    data["features"][0]["geometry"] = {"type": "Point", "coordinates": corner}
    data["features"][1]["geometry"] = {
        "type": "LineString",
        "coordinates": data["features"][1]["geometry"]["coordinates"][0],
    }
    ships.write_text(json.dumps(data))
    view = write_view(ships, scene, tmp_path / "page.html", overwrite=True)
    assert view.warnings == (
        "the map left out 2 of 4 shapes: 1 line, 1 point; ships without a polygon, in the table only: 2",
    )
    assert content(tmp_path / "page.html")["notes"][0] == view.warnings[0]


def test_ships_without_scores_have_a_table_and_no_slider(tmp_path: Path) -> None:
    ships, scene = ships_and_scene(tmp_path)
    data = json.loads(ships.read_text())
    for number, feature in enumerate(data["features"]):
        feature["properties"] = {"name": f"ship {number}", "draught": None if number else 3.5}
    ships.write_text(json.dumps(data))
    write_view(ships, scene, tmp_path / "page.html")
    shown = content(tmp_path / "page.html")
    assert [(c["name"], c["kind"], c["table"]) for c in shown["columns"]] == [
        ("name", "text", True), ("draught", "number", True),
    ]  # fmt: skip
    assert shown["values"]["draught"] == [3.5, None, None, None]


def test_a_page_with_many_ships_is_limited_in_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple((row, column, 2, 3) for row in range(4, 170, 8) for column in range(4, 190, 8))
    ships, scene = ships_and_scene(tmp_path, ships=many)
    monkeypatch.setattr("geoships.workflows.view.PAGE_BYTES", 150_000)
    monkeypatch.setattr("geoships.workflows.view.PICTURE_BYTES", 2_000)
    monkeypatch.setattr("geoships.workflows.view.OUTLINE_BYTES", 10_000)
    view = write_view(ships, scene, tmp_path / "page.html")
    shown = content(tmp_path / "page.html")
    assert 0 < view.chips < view.ships == len(many)
    assert len(json.dumps(shown)) < 151_000
    with_chip = {int(number) for number in shown["chips"]}
    scores = np.array(shown["values"]["score"])
    assert scores[sorted(with_chip)].min() >= np.delete(scores, sorted(with_chip)).max()
    assert f"{view.chips} of {view.ships} ships have an image here" in shown["notes"][0]
    assert "rectangles" in shown["notes"][1]
    assert len(base64.b64decode(shown["scene"]["picture"].partition(",")[2])) <= 2_000


def test_errors_do_not_change_an_existing_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ships, scene = ships_and_scene(tmp_path)
    page = tmp_path / "page.html"
    page.write_text("older")
    for arguments, message in (
        ((tmp_path / "none.geojson", scene, page), "no such file"),
        ((ships, tmp_path / "none.tif", page), "none.tif"),
        ((ships, scene, tmp_path / "page.pdf"), "must end with .html"),
        ((ships, scene, tmp_path / "none" / "page.html"), "does not exist"),
    ):
        with pytest.raises(GeoshipsError, match=message):
            write_view(*arguments, overwrite=True)
    monkeypatch.setitem(sys.modules, "js_lib_leaflet", None)
    with pytest.raises(GeoshipsError, match=r"pip install 'geoships\[view\]'"):
        write_view(ships, scene, page, overwrite=True)
    assert page.read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 3
