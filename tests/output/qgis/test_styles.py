"""Styles are well-formed, name what is there, and lie where QGIS looks; tests/test_qgis.py shows that it draws them."""

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from geoships.errors import OutputError
from geoships.output.qgis.style_files import STYLES, StylePlan, appearing_styles, plan_styles
from geoships.output.qgis.styles import MARK, mask_style, scene_style, score_style, ship_style
from geoships.output.ship_table import SHIP_COLUMNS
from geoships.scene.display import Display


def parsed(style):
    text = style.qml()
    assert text.startswith("<!DOCTYPE qgis")
    assert MARK in text
    root = ElementTree.fromstring(text)
    assert root.tag == "qgis"
    assert root.get("version") == "3.22.0"
    return root


def test_ships_are_classed_by_score_without_gaps():
    renderer = parsed(ship_style()).find("renderer-v2")
    assert renderer.get("attr") == "score"
    ranges = renderer.findall("ranges/range")
    assert float(ranges[0].get("lower")) == 0
    assert float(ranges[-1].get("upper")) == 1
    assert all(a.get("upper") == b.get("lower") for a, b in pairwise(ranges))
    symbols = {symbol.get("name"): symbol for symbol in renderer.findall("symbols/symbol")}
    assert {entry.get("symbol") for entry in ranges} == symbols.keys()
    for symbol in symbols.values():  # lines only: nothing hides the ship
        assert {layer.get("class") for layer in symbol.findall("layer")} == {"SimpleLine"}
    assert len({ElementTree.tostring(symbol.findall("layer")[-1]) for symbol in symbols.values()}) == len(ranges)


def test_labels_name_columns_and_come_at_large_scales_only():
    root = parsed(ship_style())
    text = root.find("labeling/settings/text-style")
    named = set(re.findall(r'"(\w+)"', text.get("fieldName")))
    assert named == {"length_m"}
    assert named <= SHIP_COLUMNS.keys()
    rendering = root.find("labeling/settings/rendering")
    assert rendering.get("scaleVisibility") == "1"
    assert int(rendering.get("scaleMax")) == 50_000
    assert rendering.get("displayAll") == "0"
    assert root.get("labelsEnabled") == "1"


def test_the_mask_has_one_class():
    (entry,) = parsed(mask_style()).findall("pipe/rasterrenderer/colorPalette/paletteEntry")
    assert (entry.get("value"), entry.get("label"), entry.get("color")) == ("1", "ship", "#ff6000")


def test_scores_are_clear_near_zero_and_rise():
    items = parsed(score_style()).findall("pipe/rasterrenderer/rastershader/colorrampshader/item")
    values, opacities = ([float(item.get(key)) for item in items] for key in ("value", "alpha"))
    assert (values[0], values[-1]) == (0, 1)
    assert values == sorted(values)
    assert opacities == sorted(opacities)
    assert opacities[:2] == [0, 0]


def test_scenes_are_drawn_in_colour_or_grey():
    renderer = parsed(scene_style(Display((4, 2, 1), ((0, 0.5), (0.1, 0.6), (0.2, 0.7))))).find("pipe/rasterrenderer")
    assert [renderer.get(f"{name}Band") for name in ("red", "green", "blue")] == ["4", "2", "1"]
    assert renderer.findtext("greenContrastEnhancement/minValue") == "0.1"
    assert renderer.findtext("blueContrastEnhancement/maxValue") == "0.7"
    grey = parsed(scene_style(Display((3,), ((1, 9),)))).find("pipe/rasterrenderer")
    assert (grey.get("type"), grey.get("grayBand")) == ("singlebandgray", "3")


def test_a_style_has_the_name_of_its_output(tmp_path: Path):
    plan = plan_styles(
        {"vector": tmp_path / "a.b.geojson", "mask": tmp_path / "m.tif", "project": tmp_path / "p.qgz"},
        tmp_path / "scene.tif",
    )
    assert plan == StylePlan({tmp_path / "a.b.qml": "vector", tmp_path / "m.qml": "mask"})


def test_a_style_never_serves_two_layers(tmp_path: Path):
    plan = plan_styles(
        {"vector": tmp_path / "a.geojson", "mask": tmp_path / "a.tif", "scores": tmp_path / "scene.tiff"},
        tmp_path / "scene.tif",
    )
    assert not plan.files
    assert len(plan.warnings) == 3
    assert all("rename" in text for text in plan.warnings)


def test_somebodys_own_style_is_kept_and_ours_is_replaced(tmp_path: Path):
    own, ours = tmp_path / "own.qml", tmp_path / "ours.qml"
    own.write_text("<qgis version='3.40'/>")
    ours.write_text(STYLES["mask"]().qml().replace("#ff6000", "#000000"))
    plan = plan_styles({"vector": tmp_path / "own.gpkg", "mask": tmp_path / "ours.tif"}, None)
    assert plan.files == {ours: "mask"}
    assert "own.qml is kept" in plan.warnings[0]


def test_styles_appear_after_their_layers_or_not_at_all(tmp_path: Path):
    plan = StylePlan({tmp_path / "a.qml": "vector", tmp_path / "b.qml": "mask"})
    with pytest.raises(KeyboardInterrupt), appearing_styles(plan):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with appearing_styles(plan):
        assert not list(tmp_path.glob("[ab].qml"))
    assert {path.name for path in tmp_path.iterdir()} == {"a.qml", "b.qml"}
    assert (tmp_path / "b.qml").read_text() == mask_style().qml()
    with (
        pytest.raises(OutputError, match="does not exist"),
        appearing_styles(StylePlan({tmp_path / "no/a.qml": "mask"})),
    ):
        pass
