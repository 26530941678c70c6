"""What a notebook shows."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import pytest
import shapely
from fake_models import fake_bundle
from scenes import ship_scene

from geoships import PredictConfig, predict
from geoships.output.viewer.notebook import ships_html, ships_svg


def svg_size(svg: str) -> tuple[int, int]:
    root = ElementTree.fromstring(svg)
    return int(root.attrib["width"]), int(root.attrib["height"])


def test_a_prediction_shows_a_map_and_a_table_of_its_ships(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")

    result = predict(tmp_path / "scene.tif", model=fake_bundle(), config=PredictConfig(device="cpu", engine="torch"))
    html = result._repr_html_()

    assert len(result.ships) == 4
    assert "scene.tif, fake" in html
    assert html.count("<path") == 4
    assert html.count("<tr") == 1 + 4
    ElementTree.fromstring(re.search(r"<svg.*</svg>", html, re.S)[0])


def test_degrees_are_shortened_by_the_latitude_and_north_is_up() -> None:
    ships = [shapely.box(10, 60, 10.1, 60.02), shapely.box(10.9, 60.48, 11, 60.5)]
    wide, high = svg_size(ships_svg(gpd.GeoDataFrame(geometry=ships, crs=4326)))
    pixels = gpd.GeoDataFrame(geometry=ships)

    assert wide == pytest.approx(high, rel=0.02)  # a degree of longitude is half as long there
    assert svg_size(ships_svg(pixels))[0] > 1.8 * svg_size(ships_svg(pixels))[1]
    top = re.findall(r"M([\d.]+) ([\d.]+)", ships_svg(gpd.GeoDataFrame(geometry=ships, crs=4326)))
    assert float(top[0][1]) > float(top[1][1])


def test_a_tiny_ship_is_a_dot_and_names_are_escaped() -> None:
    ships = gpd.GeoDataFrame({"id": [1, 2]}, geometry=[shapely.box(0, 0, 1, 1), shapely.box(5000, 0, 5400, 300)])

    assert ships_svg(ships).count("<circle") == 1
    assert "<b>" not in ships_html(ships, "<b>").removeprefix("<div><p><b>")
    assert "&lt;b&gt;" in ships_html(ships, "<b>")


def test_without_ships_there_is_no_map() -> None:
    html = ships_html(gpd.GeoDataFrame({"id": []}, geometry=[], crs=32631), "scene.tif")

    assert "0 ships" in html
    assert "<svg" not in html


def test_a_bundle_shows_its_card() -> None:
    html = fake_bundle()._repr_html_()

    assert "<b>fake</b>" in html
    assert "<td>red</td>" in html
    assert "resampled to 10 m" in html


def test_ships_can_be_explored_where_folium_is_installed(tmp_path: Path) -> None:
    folium = pytest.importorskip("folium", reason="folium is not installed: uv sync installs it")
    ship_scene(tmp_path / "scene.tif")
    result = predict(tmp_path / "scene.tif", model=fake_bundle(), config=PredictConfig(device="cpu", engine="torch"))

    shown = result.ships.explore()

    assert isinstance(shown, folium.Map)
    assert "length_m" in shown.get_root().render()
