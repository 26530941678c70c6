"""Bands of a STAC Item, and scale and offset to reflectance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoships import SceneError
from geoships.scene.opening.band_files import BandFiles
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.stac_item import item_scene
from geoships.scene.reader import open_scene


def item(assets: dict[str, Any], name: str = "S2A_31TCJ_20230101_0_L2A", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [], "assets": assets,
        "properties": {"datetime": "2023-01-01T10:54:21Z", **properties},
    }  # fmt: skip


def old(name: str, href: str, **raster: Any) -> dict[str, Any]:
    """An asset with the field names of STAC 1.0."""
    return {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"],
            "eo:bands": [{"name": name, "common_name": name}], "raster:bands": [raster]}  # fmt: skip


def new(name: str, href: str, **fields: Any) -> dict[str, Any]:
    """An asset with the field names of STAC 1.1."""
    return {"href": href, "type": "image/tiff; application=geotiff", "bands": [{"name": "x", "eo:common_name": name}],
            **fields}  # fmt: skip


def test_bands_scale_offset_and_nodata_in_both_notations():
    scene = item_scene(
        item({
            "visual": old("red", "TCI.tif"),
            "thumbnail": {"href": "t.jpg", "roles": ["thumbnail"]},
            "scl": {"href": "SCL.tif", "type": "image/tiff", "roles": ["data"]},
            "red-jp2": old("red", "B04.jp2", scale=1.0) | {"type": "image/jp2"},
            "red": old("red", "B04.tif", scale=2e-5, offset=-0.2, nodata=0),
            "green": new("green", "../green.tif", **{"raster:scale": 3e-5, "raster:offset": -0.3, "nodata": 1}),
            "B05": {"href": "https://x.org/B05.tif?token=1", "type": "image/tiff"},
        }, name="LC09"),
        "/data/items/item.json",
    )  # fmt: skip
    assert [(f.name, f.scale, f.offset, f.nodata) for f in scene.files] == [
        ("red", 2e-5, -0.2, 0), ("green", 3e-5, -0.3, 1), ("rededge071", None, None, None),
    ]  # fmt: skip
    assert [f.href for f in scene.files] == [
        "/data/items/B04.tif", "/data/green.tif", "https://x.org/B05.tif?token=1",
    ]  # fmt: skip
    assert scene.acquired is not None
    assert scene.acquired.text == "2023-01-01T10:54:21Z"
    assert scene.origins == ("/data/items/item.json",)


def test_the_finest_of_several_assets_is_used_and_bands_of_one_asset_are_told_apart():
    parts = {"href": "all.tif", "eo:bands": [{"common_name": "blue"}, {"common_name": "nir"}]}
    scene = item_scene(
        item({"B02_20m": new("blue", "20.tif", gsd=20), "B02_10m": new("blue", "10.tif", gsd=10), "a": parts}),
        "/i.json",
    )
    assert [(f.name, f.href, f.index) for f in scene.files] == [("blue", "/10.tif", 1), ("nir", "/all.tif", 2)]


WATER = 350  # reflectance 0.035 in ten-thousandths


@pytest.mark.parametrize(
    ("raster", "properties", "stored", "warned"),
    [
        ({"scale": 1e-4, "offset": -0.1}, {"earthsearch:boa_offset_applied": False}, WATER + 1000, False),
        ({"scale": 1e-4, "offset": -0.1}, {"earthsearch:boa_offset_applied": True}, WATER, False),
        ({"scale": 1e-4, "offset": -0.1}, {"earthsearch:boa_offset_applied": False}, WATER, True),
        ({"scale": 1e-4, "offset": 0}, {}, WATER, False),
        ({}, {"s2:processing_baseline": "05.09"}, WATER + 1000, False),
        ({}, {"s2:processing_baseline": "02.14"}, WATER, False),
        ({}, {"s2:product_uri": "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_2.SAFE"}, WATER + 1000, False),
        ({}, {"s2:processing_baseline": "05.09"}, WATER, True),
    ],
)
def test_the_offset_of_sentinel_2(raster, properties, stored, warned, write):
    values = np.full((1, 600, 600), stored, np.uint16)
    values[:, :, :100] = 0
    path = write("B02.tif", values, driver="COG", crs="EPSG:32631", transform=(10, 0, 5e5, 0, -10, 4e6), blocksize=128)
    scene = item_scene(item({"blue": old("blue", str(path), **raster)}, nodata=0, **properties), "/i.json")
    with open_scene(scene, ["blue"]) as opened:
        reflectance = opened.radiometry.apply(opened.decode(opened.window).values)
        assert any("offset of -0.1" in text for text in opened.warnings) == warned
    assert float(reflectance[0, 0, -1]) == pytest.approx(WATER * 1e-4, abs=1e-6)


def test_a_file_is_an_item_a_raster_or_a_mistake(tmp_path: Path):
    (tmp_path / "item.json").write_text(json.dumps(item({"red": old("red", "red.tif")})))
    (tmp_path / "other.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "catalog.json").write_text('{"type": "Catalog", "stac_version": "1.0.0"}')
    assert isinstance(scene := SceneFile(tmp_path / "item.json").files, BandFiles)
    assert scene.files[0].href == str(tmp_path / "red.tif")
    assert SceneFile("scene.tif").files is None
    assert SceneFile(tmp_path / "other.geojson").files is None
    with pytest.raises(SceneError, match="is a STAC Catalog, not an Item"):
        SceneFile(tmp_path / "catalog.json")


@pytest.mark.parametrize(
    ("content", "address", "message"),
    [
        (item({"scl": {"href": "a.tif"}}), "/i.json", "none of its assets has a band name"),
        (
            item({"red": old("red", "/etc/a.tif")}) | {"geometry": 3, "properties": None},
            "/i.json",
            "not a valid STAC Item",
        ),
        (item({"red": old("red", "file:///etc/a.tif")}), "https://x.org/i.json", "refused"),
    ],
)
def test_items_that_cannot_be_scenes(content, address, message):
    with pytest.raises(SceneError, match=message):
        item_scene(content, address)
