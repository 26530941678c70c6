"""Tiles that need not be computed: they change no ship, and the run tells how many they were."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from fake_models import FakeBundle, fake_bundle, fake_card
from scenes import UTM, ship_scene

from geoships import PredictConfig, predict
from geoships.model.bundle import Screen
from geoships.pipeline import scene_run
from geoships.pipeline.messages import plan_line

SMALL_TILES = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32")
SHAPE = (500, 600)
SHIPS = ((20, 30, 4, 20), (90, 60, 30, 5), (64, 100, 3, 3))  # all in one corner


@pytest.fixture
def with_screen(monkeypatch: pytest.MonkeyPatch) -> FakeBundle:
    """A bundle whose screen is its own network: a cell is a pixel."""
    monkeypatch.setattr(scene_run, "screen_of", lambda _: fake_bundle())
    return FakeBundle(
        fake_card(**{"geoships:screen": {"depth": 1, "threshold": 0.4}}), {}, Path("fake"), screen=Screen({})
    )


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_the_screen_skips_empty_tiles_and_no_ship(with_screen: FakeBundle, tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", SHAPE, ships=SHIPS, nodata_columns=20)
    results = [
        predict(
            tmp_path / "scene.tif", mask=tmp_path / f"{screen}.tif", scores=tmp_path / "scores.tif",
            config=SMALL_TILES.model_copy(update={"screen": screen, "overwrite": True}), model=with_screen,
        )
        for screen in (False, True)
    ]  # fmt: skip
    for name in ("False.tif", "True.tif"):
        np.testing.assert_array_equal(read(tmp_path / name)[:, 20:], true[:, 20:])
        assert (read(tmp_path / name)[:, :20] == 255).all()  # data is data, whether it was computed or not
    assert results[0].ships.drop(columns="geometry").equals(results[1].ships.drop(columns="geometry"))
    full, skipping = (result.tiles for result in results)
    assert (full.empty, full.computed) == (0, full.planned)
    assert skipping.planned == full.planned
    assert 0 < skipping.computed < skipping.empty
    assert skipping.summary() == results[1].summary()["tiles"]
    assert f"{skipping.empty} empty" in str(skipping)
    assert (read(tmp_path / "scores.tif")[250:, 300:] == 0).all()


def test_a_screen_is_not_used_where_a_band_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", SHAPE, ships=SHIPS)
    monkeypatch.setattr(scene_run, "screen_of", lambda _: fake_bundle())
    more = {"geoships:screen": {"depth": 1, "threshold": 0.4}, "geoships:optional_bands": ("blue",)}
    model = FakeBundle(fake_card(("red", "blue"), **more), {}, Path("fake"), screen=Screen({}))
    with scene_run.open_run(tmp_path / "scene.tif", config=SMALL_TILES, model=model) as run:
        assert plan_line(run).endswith("no screen without blue")
        assert sum(1 for _ in run.bands()) > 0
    assert (run.counts.empty, run.counts.computed) == (0, run.counts.planned)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_tiles_on_land_are_not_computed(batch_size: int, tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", SHAPE, ships=((20, 30, 4, 20), (250, 370, 5, 9), (300, 560, 5, 9)))
    land = shapely.box(500000 + 2500, 4000000 - 5000, 500000 + 5000, 4000000)  # columns 250 to 500
    geopandas.GeoDataFrame(geometry=[land], crs=32631).to_file(tmp_path / "land.gpkg")
    config = SMALL_TILES.model_copy(update={"land": tmp_path / "land.gpkg", "shore": 100.0, "batch_size": batch_size})
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=config, model=fake_bundle())
    assert result.tiles.land > 0
    assert sorted(result.ships.pixels) == [45, 80]  # the one that lies ashore is none
    true[240:260, 360:390] = False
    np.testing.assert_array_equal(read(tmp_path / "mask.tif"), true)
    assert rasterio.open(tmp_path / "mask.tif").transform == UTM


def test_tiles_without_data_or_outside_the_area_are_counted(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", SHAPE, ships=SHIPS, nodata_columns=300)
    area = geopandas.GeoDataFrame(geometry=[shapely.box(500000, 3998000, 506000, 4000000)], crs=32631)
    area.to_file(tmp_path / "area.gpkg")
    config = SMALL_TILES.model_copy(update={"area": tmp_path / "area.gpkg"})
    tiles = predict(tmp_path / "scene.tif", config=config, model=fake_bundle()).tiles
    assert min(tiles.outside, tiles.no_data, tiles.computed) > 0
    assert tiles.outside + tiles.no_data + tiles.computed == tiles.planned
