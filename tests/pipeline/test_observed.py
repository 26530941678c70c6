"""What was seen of a scene: clouds by the product's classification or by a rule, and the ships under them."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from fake_models import fake_bundle
from geoships_cli.app import app
from safe_products import write_product, zipped
from scenes import UTM
from typer.testing import CliRunner

from geoships import OutputError, PredictConfig, SceneError, predict
from geoships.scene.angles import Angles
from geoships.scene.observed import by_network
from geoships.scene.observed.by_brightness import kinds_of
from geoships.scene.observed.grid import CellGrid
from geoships.scene.observed.kinds import Kind
from geoships.scene.observed.strips import strips
from geoships.scene.reader import open_scene

CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", tile_size=96)
ROWS, COLUMNS = 160, 200  # of 10 m
SHIPS = ((20, 30), (100, 150))  # row and column of ships of 4 x 16 pixels: one is clear, one is under a cloud
ANGLES = """<Tile_Angles><Mean_Sun_Angle><ZENITH_ANGLE unit="deg">{0}</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">{1}</AZIMUTH_ANGLE></Mean_Sun_Angle><Mean_Viewing_Incidence_Angle_List>
<Mean_Viewing_Incidence_Angle bandId="3"><ZENITH_ANGLE unit="deg">{2}</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">{3}</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle></Mean_Viewing_Incidence_Angle_List>
</Tile_Angles>"""


def classification() -> np.ndarray:
    """SCL of 20 m: sea, with land at the left, a cloud and its shadow at the lower right, no data at the top."""
    classes = np.full((ROWS // 2, COLUMNS // 2), 6, np.uint8)
    classes[:, :8] = 4
    classes[35:70, 60:95] = 9
    classes[70:75, 60:95] = 3
    classes[:3] = 0
    return classes


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    red = np.full((ROWS, COLUMNS), 1300, np.uint16)
    for row, column in SHIPS:
        red[row : row + 4, column : column + 16] = 9000
    red[:6] = 0
    pictures = {"B04_10m": red, "SCL_20m": classification()}
    root = write_product(tmp_path_factory.mktemp("product"), pictures, added={"B04": -1000})
    tile = next(root.rglob("MTD_TL.xml"))
    text = tile.read_text()
    tile.write_text(text.replace("</n1:General_Info>", "</n1:General_Info>" + ANGLES.format(30, 150, 8, 285)))
    return root


def run(scene: Path, **options: object):
    return predict(scene, config=CONFIG, model=fake_bundle(), **options)  # type: ignore[arg-type]


def kilometres(*classes: int) -> float:
    return np.isin(classification(), classes).sum() * 400 / 1e6


def test_the_observed_area_is_that_of_the_classification(product: Path) -> None:
    for scene in (product, zipped(product)):
        found = run(scene).observed
        assert found is not None
        by_kind = found.set_index("kind")
        assert by_kind.km2.sum() == pytest.approx(kilometres(*range(12)), rel=0.02)
        for kind, classes in {"sea": [6], "land": [4], "cloud": [9], "shadow": [3], "no data": [0]}.items():
            assert by_kind.km2[kind] == pytest.approx(kilometres(*classes), rel=0.02)
            assert by_kind.geometry[kind].area / 1e6 == pytest.approx(by_kind.km2[kind], rel=0.02)
        assert by_kind.seen.to_dict() == {"no data": False, "sea": True, "land": True, "cloud": False, "shadow": False}
        assert found.crs == "EPSG:32631"
        assert found.is_valid.all()


def test_ships_under_a_cloud_are_flagged_and_stay(product: Path, tmp_path: Path) -> None:
    result = run(product, out=tmp_path / "ships.gpkg")
    assert result.ships.under_cloud.tolist() == [False, True]
    assert result.ships.cloud_fraction.tolist() == [0, 1]
    written = pyogrio.list_layers(tmp_path / "ships.gpkg")
    assert {"ships", "observed"} <= set(written[:, 0])
    layer = geopandas.read_file(tmp_path / "ships.gpkg", layer="observed")
    assert set(layer.kind) == {"sea", "land", "cloud", "shadow", "no data"}
    facts = json.loads(json.dumps(result.summary()))["observed"]
    sea = kilometres(6)
    assert facts["sea_seen_km2"] == pytest.approx(sea, rel=0.01)
    assert facts["ships_per_km2_of_sea"] == pytest.approx(1 / sea, rel=0.01)
    assert facts["share"] == pytest.approx(kilometres(4, 6) / kilometres(*range(12)), abs=0.01)
    assert facts["ships_under_cloud"] == 1
    assert facts["glint_deg"] == pytest.approx(Angles(30, 150, 8, 285).glint, abs=0.1)
    assert facts["sun_glint"]


def test_other_formats_have_a_file_of_their_own(product: Path, tmp_path: Path) -> None:
    result = run(product, out=tmp_path / "ships.geojson")
    beside = tmp_path / "ships.observed.geojson"
    assert result.outputs["observed"] == beside
    features = json.loads(beside.read_text())["features"]
    assert {feature["properties"]["kind"] for feature in features} >= {"sea", "cloud"}
    (tmp_path / "ships.geojson").unlink()
    with pytest.raises(OutputError, match="exists already"):
        run(product, out=tmp_path / "ships.geojson")


def test_it_can_be_left_out_and_demanded(product: Path, tmp_path: Path) -> None:
    result = run(product, out=tmp_path / "ships.geojson", observed=False)
    assert result.observed is None
    assert "observed" not in result.summary()
    assert "under_cloud" not in result.ships
    assert not (tmp_path / "ships.observed.geojson").exists()
    with pytest.raises(
        SceneError, match=r"only 78\.\d% of what is searched can be seen, less than --min-observed 0.95"
    ):
        run(product, out=tmp_path / "other.geojson", min_observed=0.95)
    assert not (tmp_path / "other.geojson").exists()
    assert run(product, min_observed=0.5).observed_summary["share"] > 0.5


def test_an_area_and_land_count(product: Path) -> None:
    left, top = UTM.c, UTM.f
    half = shapely.box(left, top - 2000, left + 1000, top)
    land = geopandas.GeoDataFrame(geometry=[shapely.box(left, top - 2000, left + 400, top)], crs="EPSG:32631")
    facts = run(product, area=half, land=land).observed_summary
    assert sum(facts["km2"].values()) == pytest.approx(1.6, rel=0.02)
    assert facts["km2"]["land"] == pytest.approx(0.4 * 1.54, rel=0.03)
    assert facts["sea_seen_km2"] == pytest.approx(0.6 * 1.54, rel=0.03)


def scene_of(path: Path, image: np.ndarray, names: tuple[str, ...]) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=image.shape[1], width=image.shape[2], count=len(image), dtype=image.dtype,
        crs="EPSG:32631", transform=UTM, nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(image)
        dataset.descriptions = names
        dataset.scales, dataset.offsets = [1e-4] * len(image), [0] * len(image)
    return path


BANDS = ("blue", "green", "red", "nir")


def bright_scene(path: Path) -> Path:
    image = np.full((4, 120, 120), 500, np.uint16)
    image[3] = 100  # water
    image[:, :, :20] = np.array([500, 700, 900, 3000])[:, None, None]  # land
    image[:, 60:, 60:] = 6000
    image[:, :10] = 0
    return scene_of(path, image, BANDS)


def test_without_a_classification_brightness_tells_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_network.importlib.util, "find_spec", lambda _: None)  # as if ukis-csmask were not there
    scene = bright_scene(tmp_path / "scene.tif")
    bundle = fake_bundle(bands=BANDS)
    assert predict(scene, config=CONFIG, model=bundle).observed is None
    result = predict(scene, config=CONFIG, model=bundle, observed=True)
    facts = result.observed_summary
    assert "brightness" in str(facts["source"])
    assert facts["km2"] == pytest.approx(
        {
            "no data": 0.12,
            "sea": 0.72,
            "land": 0.22,
            "cloud": 0.36,
        },
        rel=0.06,
    )
    assert facts["sun_glint"] is None


def test_one_band_tells_no_clouds(tmp_path: Path) -> None:
    scene = scene_of(tmp_path / "scene.tif", np.full((1, 64, 64), 500, np.uint16), ("red",))
    with pytest.raises(SceneError, match="nothing tells where its clouds are"):
        run(scene, observed=True)


def test_the_networks_mark_clouds_and_shadows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    class CSmask:
        def __init__(self, image: np.ndarray, band_order: list[str], product_level: str, **_: object) -> None:
            asked.append((image.shape, tuple(band_order), product_level, image.dtype))
            self.csm = (image[..., :1] > 0.3).astype(np.uint8)
            self.csm[image[..., :1] < 0.01] = 2

    module = types.ModuleType("ukis_csmask.mask")
    module.CSmask = CSmask  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ukis_csmask", types.ModuleType("ukis_csmask"))
    monkeypatch.setitem(sys.modules, "ukis_csmask.mask", module)
    monkeypatch.setattr(by_network.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(by_network, "BLOCK", 16)
    monkeypatch.setattr(by_network, "CONTEXT", 3)
    scene = bright_scene(tmp_path / "scene.tif")
    with rasterio.open(scene, "r+") as dataset:
        image = dataset.read()
        image[0, 30:60, 30:60] = 50
        dataset.write(image)
    facts = predict(scene, config=CONFIG, model=fake_bundle(bands=BANDS), observed=True).observed_summary
    assert facts["source"] == "ukis-csmask"
    assert facts["km2"]["cloud"] == pytest.approx(0.36, rel=0.01)
    assert facts["km2"]["shadow"] == pytest.approx(0.09, rel=0.01)
    assert {shape for shape, *_ in asked} == {(256, 256, 4)}
    assert {(bands, level, dtype) for _, bands, level, dtype in asked} == {(BANDS, "l2a", np.dtype("float32"))}


def test_the_real_networks_see_no_clouds_over_plain_sea(tmp_path: Path) -> None:
    image = np.full((4, 300, 300), 400, np.uint16) + np.random.default_rng(1).integers(0, 40, (4, 300, 300), np.uint16)
    scene = scene_of(tmp_path / "scene.tif", image, BANDS)
    facts = predict(scene, config=CONFIG, model=fake_bundle(bands=BANDS), observed=True).observed_summary
    assert facts["source"] == "ukis-csmask"
    assert facts["share"] > 0.95


def test_cells_are_means_of_pixels_with_data(tmp_path: Path) -> None:
    image = np.arange(1, 36, dtype=np.uint16).reshape(1, 5, 7)
    image[0, 0, 0] = 0
    with open_scene(scene_of(tmp_path / "scene.tif", image, ("red",)), ["red"]) as scene:
        grid = CellGrid(scene.georeference, 2)
        ((rows, values, valid),) = strips(scene, grid)
    assert (rows, grid.shape, valid.all()) == (slice(0, 3), (3, 4), True)
    assert values[0, 0, 0] == pytest.approx((2 + 8 + 9) / 3e4)
    assert values[0, 2, 3] == pytest.approx(35e-4)
    area = grid.square_metres(np.ones((3, 4), bool), (10, 10))
    assert area == pytest.approx(35 * 100, rel=0.002)


def test_the_rule_on_single_cells() -> None:
    image = np.array([[[0.05, 0.6, 0.6, 0.05]], [[0.06, 0.62, 0.3, 0.06]], [[0.05, 0.61, 0.2, 0.05]],
                      [[0.01, 0.6, 0.3, 0.3]]], np.float32)  # fmt: skip
    kinds = kinds_of(image, np.array([[True, True, True, True]]), BANDS, is_picture=False)
    assert kinds is not None
    assert kinds.tolist() == [[Kind.SEA, Kind.CLOUD, Kind.LAND, Kind.LAND]]
    rgb = kinds_of(image[:3], np.array([[True, True, True, False]]), BANDS[:3], is_picture=False)
    assert rgb is not None
    assert rgb.tolist() == [[Kind.SURFACE, Kind.CLOUD, Kind.SURFACE, Kind.NO_DATA]]


@pytest.mark.parametrize(
    ("angles", "glint"), [(Angles(30, 150, 30, 330), 0), (Angles(30, 150, 0, 0), 30), (Angles(30, 150, 10, 150), 40)]
)
def test_glint_is_near_the_mirror_image_of_the_sun(angles: Angles, glint: float) -> None:
    assert angles.glint == pytest.approx(glint, abs=1e-5)
    assert angles.may_glint == (glint < 36)


def test_the_command_tells_what_was_seen(tmp_path: Path) -> None:
    scene, out = bright_scene(tmp_path / "scene.tif"), tmp_path / "ships.gpkg"
    command = ["predict", str(scene), "--out", str(out), "--model", "optical-rgb"]
    refused = CliRunner().invoke(app, [*command, "--min-observed", "0.9"])
    assert refused.exit_code == 1
    assert not out.exists()
    result = CliRunner().invoke(app, [*command, "--observed", "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)["observed"]
    assert facts["km2"]["cloud"] == pytest.approx(0.36, rel=0.01)
    assert "observed" in pyogrio.list_layers(out)[:, 0]
