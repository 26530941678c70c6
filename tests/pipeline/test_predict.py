import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fake_models import fake_bundle
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from scenes import SHIPS, UTM, ship_scene

from geoships import GeoshipsError, OutputError, PredictConfig, SceneError, predict
from geoships.model.engines.torch import TorchEngine
from geoships.output import raster
from geoships.output.raster import RasterSink
from geoships.pipeline.scene_run import open_run
from geoships.scene.reader import Scene
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.windows import Window

SMALL_TILES = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32")


def centres(transform: Affine, crs: str) -> np.ndarray:
    """Longitude and latitude of the ships of a scene, sorted."""
    points = [transform @ (column + width / 2, row + height / 2) for row, column, height, width in SHIPS]
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(*np.transpose(points))
    return np.array(sorted(zip((lon + 180) % 360 - 180, lat, strict=True)))


def test_a_scene_becomes_ships_and_rasters(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    result = predict(
        tmp_path / "scene.tif",
        out=tmp_path / "ships.geojson",
        mask=tmp_path / "mask.tif",
        scores=tmp_path / "scores.tif",
        config=SMALL_TILES,
        model=fake_bundle(),
    )
    with rasterio.open(tmp_path / "mask.tif") as mask, rasterio.open(tmp_path / "scores.tif") as scores:
        np.testing.assert_array_equal(mask.read(1), true)
        assert mask.transform == scores.transform == UTM
        assert mask.crs == scores.crs == "EPSG:32631"
        np.testing.assert_array_equal(scores.read(1) * scores.scales[0] > 0.5, true)
    ships = result.ships
    assert len(ships) == len(SHIPS)
    assert ships.pixels.sum() == true.sum()
    np.testing.assert_allclose(ships.length_m, [200, 30, 300, 200], rtol=0.01)
    np.testing.assert_allclose(ships.width_m, [40, 30, 50, 60], rtol=0.01)
    np.testing.assert_allclose(ships.heading_deg[[0, 2, 3]], [90, 0, 90], atol=0.2)
    assert ships.on_border.tolist() == [False, False, False, True]
    assert list(geopandas.read_file(tmp_path / "ships.geojson").id) == [1, 2, 3, 4]
    assert json.loads(json.dumps(result.summary()))["ships"] == 4
    assert result.pixels == 180 * 200


PLACES = {
    "shifted": (UTM @ Affine.translation(123, 45), "EPSG:32631"),
    "rotated": (UTM @ Affine.rotation(31), "EPSG:32631"),
    "sheared": (UTM @ Affine.shear(10, 0), "EPSG:32631"),
    "south-up": (Affine(10, 0, 500000, 0, 10, 4000000), "EPSG:32631"),
    "southern": (Affine(10, 0, 500000, 0, -10, 6000000), "EPSG:32731"),
    "geographic": (Affine(1e-4, 0, 3.0, 0, -9e-5, 36.1), "EPSG:4326"),
    "antimeridian": (Affine(1e-4, 0, 179.99, 0, -9e-5, -17.0), "EPSG:4326"),
    "antimeridian utm": (Affine(10, 0, 819000, 0, -10, 8115000), "EPSG:32760"),
    "mercator": (Affine(10, 0, 335000, 0, -10, 4300000), "EPSG:3857"),
}


@pytest.mark.parametrize("place", PLACES)
def test_ships_lie_where_they_are(place: str, tmp_path: Path) -> None:
    transform, crs = PLACES[place]
    ship_scene(tmp_path / "scene.tif", transform=transform, crs=crs)
    result = predict(tmp_path / "scene.tif", out=tmp_path / "ships.geojson", config=SMALL_TILES, model=fake_bundle())
    found = np.array(sorted(zip(result.ships.lon, result.ships.lat, strict=True)))
    np.testing.assert_allclose(found, centres(transform, crs), atol=2e-6)
    written = json.loads((tmp_path / "ships.geojson").read_text())
    assert len(written["features"]) == len(SHIPS)
    assert [f["properties"]["pixels"] for f in written["features"]] == result.ships.pixels.tolist()
    assert all(shapely.geometry.shape(f["geometry"]).is_valid for f in written["features"])


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (1e-4, -0.1), (1 / 65535, 0.0)])
def test_radiometry_does_not_change_the_ships(scale: float, offset: float, tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", scale=scale, offset=offset)
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SMALL_TILES, model=fake_bundle())
    with rasterio.open(tmp_path / "mask.tif") as mask:
        np.testing.assert_array_equal(mask.read(1), true)
    assert "tags" in result.radiometry or (scale, offset) == (1, 0)


@pytest.mark.parametrize(("tile_size", "batch_size"), [(64, 1), (96, 3), (160, 2), (512, 8)])
def test_tiles_and_batches_do_not_change_the_ships(tile_size: int, batch_size: int, tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    config = SMALL_TILES.model_copy(update={"tile_size": tile_size, "batch_size": batch_size})
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=config, model=fake_bundle())
    assert result.ships.pixels.sum() == true.sum()
    with rasterio.open(tmp_path / "mask.tif") as mask:
        np.testing.assert_array_equal(mask.read(1), true)


def test_pixels_without_data_never_become_ships(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", nodata_columns=70)
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SMALL_TILES, model=fake_bundle())
    with rasterio.open(tmp_path / "mask.tif") as mask:
        values = mask.read(1)
    assert (values[:, :70] == 255).all()
    np.testing.assert_array_equal(values[:, 70:], true[:, 70:])
    assert len(result.ships) == 2


def test_the_area_of_interest_limits_the_ships(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    area = geopandas.GeoDataFrame(geometry=[shapely.box(500000, 3998500, 501000, 4000000)], crs=32631).to_crs(3857)
    area.to_file(tmp_path / "area.gpkg")
    config = SMALL_TILES.model_copy(update={"area": tmp_path / "area.gpkg"})
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=config, model=fake_bundle())
    assert len(result.ships) == 2
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert (mask.read(1)[:, 110:] == 255).all()


@pytest.mark.parametrize("pixel", [2.5, 33.0])
def test_another_pixel_size_is_resampled_and_outputs_keep_the_grid(pixel: float, tmp_path: Path) -> None:
    factor = 10 / pixel
    ships = tuple(tuple(round(value * factor) for value in ship) for ship in SHIPS[:3])
    transform = UTM @ Affine.scale(pixel / 10)
    true = ship_scene(
        tmp_path / "scene.tif", (round(180 * factor), round(200 * factor)), transform=transform, ships=ships
    )
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SMALL_TILES, model=fake_bundle())
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert mask.transform == transform
        found = mask.read(1) == 1
    assert len(result.ships) == 3
    assert (found & true).sum() / (found | true).sum() > 0.75


def test_a_scene_without_a_place_is_written_in_pixels(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", transform=None, crs=None)
    result = predict(
        tmp_path / "scene.tif",
        out=tmp_path / "s.geojson",
        mask=tmp_path / "m.tif",
        config=SMALL_TILES,
        model=fake_bundle(),
    )
    assert any("pixels (column, row)" in text for text in result.warnings)
    assert result.ships.crs is None
    assert result.ships.geometry[0].bounds == (30, 20, 50, 24)
    assert result.ships.length_m.isna().all()
    assert "pixels" in json.loads((tmp_path / "s.geojson").read_text())["description"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (37, 5), (65, 65)])
def test_any_size_is_a_scene(shape: tuple[int, int], tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", shape, ships=((0, 0, 1, 3),))
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SMALL_TILES, model=fake_bundle())
    with rasterio.open(tmp_path / "mask.tif") as mask:
        np.testing.assert_array_equal(mask.read(1), true)
    assert len(result.ships) == 1
    assert result.ships.on_border.all()


def test_small_ships_are_dropped_after_they_are_joined(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = SMALL_TILES.model_copy(update={"min_area": 5000.0})
    result = predict(tmp_path / "scene.tif", config=config, model=fake_bundle())
    assert result.ships.id.tolist() == [1, 2, 3]
    assert result.ships.area_m2.min() > 5000


def test_a_ship_has_to_reach_the_least_peak(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    with rasterio.open(tmp_path / "scene.tif", "r+") as dataset:
        stored = dataset.read(1)
        stored[20:24, 30:50] = 5500  # 0.55: above the threshold, with a score of 0.73
        stored[90:120, 60:65] = 5500
        stored[100, 62] = 9000
        dataset.write(stored, 1)
    found = [
        len(predict(tmp_path / "scene.tif", model=fake_bundle(**card), config=PredictConfig(min_peak=peak)).ships)
        for peak, card in ((None, {}), (0.9, {}), (None, {"geoships:min_peak": 0.9}), (0.7, {"geoships:min_peak": 0.9}))
    ]
    assert found == [4, 3, 3, 4]


def test_views_come_from_the_settings_or_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_scene(tmp_path / "scene.tif")
    used = []

    class Noted(TorchEngine):
        def __init__(self, *args: Any, views: Any, **options: Any) -> None:
            used.append(views)
            super().__init__(*args, views=views, **options)

    monkeypatch.setattr("geoships.model.engines.torch.TorchEngine", Noted)
    for views, card in ((None, {}), (None, {"geoships:views": 4}), (8, {"geoships:views": 4})):
        config = PredictConfig(views=views, engine="torch")
        result = predict(tmp_path / "scene.tif", model=fake_bundle(**card), config=config)
        assert len(result.ships) == 4
    assert used == [1, 4, 8]


def test_wide_scenes_have_smaller_tiles_in_float32_on_a_processor(tmp_path: Path) -> None:
    path, profile = tmp_path / "wide.tif", {"driver": "GTiff", "dtype": "uint16", "tiled": True, "sparse_ok": True}
    place = Affine(10, 0, 5e5, 0, -10, 4e6)
    with rasterio.open(path, "w", **profile, height=4000, width=40_000, count=1, crs="EPSG:32631", transform=place):
        pass
    pixels = {}
    for precision in ("fp32", "bf16"):
        config = PredictConfig(engine="torch", precision=precision, device="cpu", bands=(1,), scale=1e-4)
        with open_run(path, config=config, model=fake_bundle(halo=224)) as run:
            height, width = run.plan.tiles.tile_shape
            pixels[precision] = height * width
    assert pixels["fp32"] < pixels["bf16"]


@pytest.mark.parametrize(("precision", "fast", "said"), [("bf16", False, 1), ("bf16", True, 0), ("fp32", False, 0)])
def test_bfloat16_on_a_processor_without_it_is_warned_of(
    precision: str, fast: bool, said: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoships.model.engines.choose.has_fast_bf16", lambda _: fast)
    ship_scene(tmp_path / "scene.tif")
    config = SMALL_TILES.model_copy(update={"precision": precision})
    with open_run(tmp_path / "scene.tif", config=config, model=fake_bundle()) as run:
        assert sum("bfloat16" in text for text in run.warnings) == said


def test_each_block_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_scene(tmp_path / "scene.tif", (900, 1300))
    read: list[Window] = []
    decode = Scene.decode

    def spy(self: Scene, window: Window) -> Pixels:
        read.append(window)
        return decode(self, window)

    monkeypatch.setattr(Scene, "decode", spy)
    predict(tmp_path / "scene.tif", config=SMALL_TILES, model=fake_bundle())
    assert sum(window.height * window.width for window in read) == 900 * 1300
    assert len(set(read)) == len(read)


def test_a_damaged_scene_leaves_nothing_behind(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (600, 600), compress="deflate")
    with rasterio.open(tmp_path / "scene.tif") as dataset:
        start = int(dataset.get_tag_item("BLOCK_OFFSET_5_5", "TIFF", bidx=1))
    data = bytearray((tmp_path / "scene.tif").read_bytes())
    data[start : start + 20] = bytes(20)
    (tmp_path / "scene.tif").write_bytes(data)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(SceneError, match=r"scene\.tif"):
        predict(
            tmp_path / "scene.tif",
            out=tmp_path / "s.gpkg",
            mask=tmp_path / "m.tif",
            scores=tmp_path / "p.tif",
            config=SMALL_TILES,
            model=fake_bundle(),
        )
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("broken", ["compress", "publish"])
def test_no_vector_file_appears_without_its_rasters(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_scene(tmp_path / "scene.tif")
    before = {path.name for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(*((RasterSink, "compress") if broken == "compress" else (raster, "publish")), full)
    outputs = {"out": tmp_path / "ships.gpkg", "mask": tmp_path / "mask.tif", "scores": tmp_path / "scores.tif"}
    with pytest.raises(OutputError, match="the disk is full"):
        predict(tmp_path / "scene.tif", **outputs, config=SMALL_TILES, model=fake_bundle())
    assert {path.name for path in tmp_path.iterdir()} == before


def test_wrong_outputs_are_refused_before_any_work(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    with pytest.raises(OutputError, match=r"\.shp"):
        predict(tmp_path / "scene.tif", out=tmp_path / "ships.shp", model=fake_bundle())
    with pytest.raises(OutputError, match="does not exist"):
        predict(tmp_path / "scene.tif", out=tmp_path / "no" / "ships.gpkg", model=fake_bundle())


def test_outputs_never_meet_each_other_or_the_scene(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    with pytest.raises(OutputError, match="is the input"):
        predict(tmp_path / "scene.tif", mask=tmp_path / "scene.tif", model=fake_bundle())
    with pytest.raises(OutputError, match="one file"):
        predict(tmp_path / "scene.tif", mask=tmp_path / "a.tif", scores=tmp_path / "a.tif", model=fake_bundle())


def test_ground_control_points_place_the_ships(tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row, column, *(UTM @ (column, row))) for row in (0, 90, 180) for column in (0, 100, 200)
    ]
    ship_scene(tmp_path / "scene.tif", transform=None, crs="EPSG:32631", gcps=points)
    result = predict(
        tmp_path / "scene.tif",
        out=tmp_path / "s.gpkg",
        mask=tmp_path / "m.tif",
        config=SMALL_TILES,
        model=fake_bundle(),
    )
    found = np.array(sorted(zip(result.ships.lon, result.ships.lat, strict=True)))
    np.testing.assert_allclose(found, centres(UTM, "EPSG:32631"), atol=2e-6)
    assert geopandas.read_file(tmp_path / "s.gpkg", layer="s").crs == "EPSG:32631"
    with rasterio.open(tmp_path / "m.tif") as mask:
        assert len(mask.gcps[0]) == 9


def test_an_area_beside_the_scene_is_an_error(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(tmp_path / "area.gpkg")
    with pytest.raises(GeoshipsError, match="outside the scene"):
        predict(tmp_path / "scene.tif", config=PredictConfig(area=tmp_path / "area.gpkg"), model=fake_bundle())


def test_a_scene_may_lack_bands_that_the_model_can_do_without(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    scaling = [{"mean": 0.3, "stddev": 1}, {"mean": 0, "stddev": 1}]
    entry = {
        "bands": ("nir", "red"),
        "input": {"shape": (-1, 2, -1, -1)},
        "value_scaling": scaling,
        "pre_processing_function": {"expression": "sqrt"},
    }
    card = {"mlm:input": [entry]}
    with pytest.raises(SceneError, match="has no nir"):
        predict(tmp_path / "scene.tif", model=fake_bundle(**card))
    model = fake_bundle(**card, **{"geoships:optional_bands": ("nir",)})
    result = predict(tmp_path / "scene.tif", model=model, scores=tmp_path / "scores.tif")
    assert "without nir" in result.bands
    with rasterio.open(tmp_path / "scores.tif") as dataset:
        scores = dataset.read(1)[dataset.read_masks(1) > 0]
    assert set(scores) == {0}  # the neutral value becomes 0, whose score is far below one half


def test_the_labels_margin_is_metres_at_any_pixel_size(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")

    def lengths(margin: float, gsd: float) -> list[float]:
        card = {"geoships:label_margin": margin, "gsd": gsd, "geoships:gsd_range": (5, 15)}
        return list(predict(tmp_path / "scene.tif", config=SMALL_TILES, model=fake_bundle(**card)).ships["length_m"])

    np.testing.assert_allclose(lengths(0, 10), [200, 30, 300, 200], rtol=0.01)
    np.testing.assert_allclose(lengths(2, 6), [188, 18, 288, 188], rtol=0.01)
