"""Motion beside the ships of a prediction."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from scenes import ship_scene

from geoships import GeoshipsError, PredictConfig, predict

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
try:
    from motion import write_scene
    from motion_scenes import BANDS as TAKEN
    from motion_scenes import Craft, render
finally:
    sys.path.pop(0)

CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", tile_size=128)
PRODUCT = "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_20230101T140000.tif"  # whose delays are published
INPUT = {
    "bands": ("red",), "input": {"shape": (-1, 1, -1, -1)}, "value_scaling": [{"mean": -0.42, "stddev": 1}],
}  # fmt: skip
MODEL = {"mlm:input": [INPUT]}  # whatever is brighter than 0.08 in red is a ship
CRAFTS = (Craft(180, 28, 40, 9, wake=3), Craft(120, 20, 160, 0), Craft(60, 8, 120, 210, aircraft=True))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ship under way, one that lies still, and an aircraft."""
    path = tmp_path_factory.mktemp("motion") / PRODUCT
    write_scene(path, render(np.random.default_rng(5), CRAFTS, spacing=84))
    return path


def test_motion_stands_beside_each_ship(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "ships.gpkg"
    found = predict(scene, out=out, config=CONFIG, model=fake_bundle(**MODEL), motion=True)
    assert found.ships["motion"].tolist() == ["moving", "still", "aircraft"]
    moving = found.ships.iloc[0]
    assert moving["speed_low_ms"] < 9 < moving["speed_high_ms"]
    assert abs(moving["course_deg"] - 40) < 15  # the wake tells the sign: the bands' order is not known
    facts = json.loads(json.dumps(found.summary()))
    assert (facts["motion"]["moving"], facts["motion"]["aircraft"]) == (1, 1)
    assert facts["options"]["motion"] is True
    assert geopandas.read_file(out, layer="ships")["motion"].tolist() == found.ships["motion"].tolist()
    assert "motion" not in predict(scene, config=CONFIG, model=fake_bundle(**MODEL)).ships


def test_aircraft_are_dropped_from_all_outputs(scene: Path, tmp_path: Path) -> None:
    out, preview = tmp_path / "ships.geojson", tmp_path / "ships.png"
    found = predict(scene, out=out, preview=preview, config=CONFIG, model=fake_bundle(**MODEL), aircraft="drop")
    assert found.ships["motion"].tolist() == ["moving", "still"]
    assert found.ships["id"].tolist() == [1, 2]
    assert found.summary()["motion"]["aircraft"] == 1  # type: ignore[index]
    assert len(geopandas.read_file(out)) == 2
    assert preview.is_file()


def test_bands_that_the_user_names_where_the_file_does_not(scene: Path, tmp_path: Path) -> None:
    bare = tmp_path / PRODUCT
    bare.write_bytes(scene.read_bytes())
    with rasterio.open(bare, "r+") as dataset:
        dataset.descriptions = (None,) * dataset.count
    order = [TAKEN.index(name) + 1 for name in ("red", "green", "blue")]
    input_ = {"bands": ("red", "green", "blue"), "value_scaling": [{"mean": -0.42, "stddev": 1}] * 3}
    model = fake_bundle(**{"mlm:input": [{**input_, "input": {"shape": (-1, 3, -1, -1)}}]})
    found = predict(bare, config=CONFIG, model=model, motion=True, bands=order)
    assert found.ships["motion"].tolist()[:2] == ["moving", "still"]


def test_it_says_at_once_where_motion_cannot_show(tmp_path: Path) -> None:
    ship_scene(tmp_path / "one.tif")
    with pytest.raises(GeoshipsError, match="motion shows between two of them"):
        predict(tmp_path / "one.tif", config=CONFIG, model=fake_bundle(), motion=True)
    ship_scene(tmp_path / "nowhere.tif", bands=("B02", "B03", "B04"), transform=None, crs=None)
    with pytest.raises(GeoshipsError, match="no place on Earth"):
        predict(tmp_path / "nowhere.tif", config=CONFIG, model=fake_bundle(), motion=True)


def test_unknown_delays_are_a_warning(tmp_path: Path) -> None:
    ship_scene(tmp_path / "mosaic.tif", bands=("B02", "B03", "B04"))
    found = predict(tmp_path / "mosaic.tif", config=CONFIG, model=fake_bundle(), motion=True)
    assert set(found.ships["motion"]) == {"not measurable"}
    assert any("when the bands saw the ships is not known" in text for text in found.warnings)
