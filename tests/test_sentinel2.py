"""One scene of Sentinel-2 by every way that it may come: fetched from a STAC API, as a product, as band files."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fake_models import fake_bundle
from geopandas.testing import assert_geodataframe_equal
from geoships_cli.app import main
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds
from safe_products import write_product, zipped
from scenes import SHIPS, UTM, ship_scene
from stac_api import Api, serving, serving_files

from geoships import PredictConfig, SceneError, predict
from geoships.datasets.sentinel2 import choose_pass, open_mosaic
from geoships.scene.acquisition import Acquisition
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.opening.stac_search import FoundItem

SMALL_TILES = PredictConfig(tile_size=96, min_area=0, device="cpu", precision="fp32")
SHAPE = (180, 200)
GROUND = (500000, 3998200, 502000, 4000000)
NUMBERS = count()
TIME = "2023-01-01T10:57:35Z"


def stored_bands(folder: Path) -> dict[str, np.ndarray]:
    """Red of 10 m with ships and a strip without data, swir16 of 20 m."""
    ship_scene(folder / "drawn.tif", offset=-0.1, nodata_columns=10)
    with rasterio.open(folder / "drawn.tif") as dataset:
        red = dataset.read(1)
    (folder / "drawn.tif").unlink()
    swir = np.random.default_rng(2).integers(1000, 3000, (90, 100), np.uint16)
    swir[:, :5] = 0
    return {"red": red, "swir16": swir}


def write_band(path: Path, values: np.ndarray, metres: int, left: float = GROUND[0]) -> None:
    transform = UTM @ Affine.translation((left - GROUND[0]) / 10, 0) @ Affine.scale(metres / 10)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="uint16", nodata=0,
        crs="EPSG:32631", transform=transform, tiled=True, blockxsize=64, blockysize=64,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)


def write_stack(path: Path, bands: dict[str, np.ndarray]) -> None:
    """The file that all else comes from: both bands at 10 m, with names, scale, offset and nodata."""
    fine = np.zeros(SHAPE, np.uint16)
    reproject(
        bands["swir16"], fine, src_transform=UTM @ Affine.scale(2), dst_transform=UTM, src_crs="EPSG:32631",
        dst_crs="EPSG:32631", src_nodata=0, dst_nodata=0, resampling=Resampling.bilinear,
    )  # fmt: skip
    with rasterio.open(
        path, "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1], count=2, dtype="uint16", nodata=0,
        crs="EPSG:32631", transform=UTM,
    ) as dataset:  # fmt: skip
        dataset.write(np.stack([bands["red"], fine]))
        dataset.descriptions, dataset.scales, dataset.offsets = ("red", "swir16"), (1e-4,) * 2, (-0.1,) * 2
        dataset.update_tags(ACQUISITIONDATETIME=TIME)


def add_item(
    api: Api,
    server: str,
    name: str,
    bands: dict[str, np.ndarray],
    *,
    cloud: float = 5,
    left: float = GROUND[0],
    time: str = TIME,
    offset: float = -0.1,
) -> None:
    """An Item in the words of Earth Search, with its files on a server."""
    number = next(NUMBERS)  # GDAL keeps what it has read of an address
    for band, metres in (("red", 10), ("swir16", 20)):
        write_band(api.folder / f"{name}_{number}_{band}.tif", bands[band], metres, left)
    bounds = transform_bounds("EPSG:32631", "EPSG:4326", left, GROUND[1], left + 2000, GROUND[3])
    api.items[name] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": shapely.geometry.mapping(shapely.box(*bounds)),
        "bbox": list(bounds),
        "properties": {"datetime": time, "constellation": "sentinel-2", "eo:cloud_cover": cloud},
        "assets": {
            band: {
                "href": f"{server}/{name}_{number}_{band}.tif",
                "type": "image/tiff; application=geotiff",
                "roles": ["data"],
                "eo:bands": [{"name": band, "common_name": band}],
                "raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": offset}],
            }
            for band in ("red", "swir16")
        },
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory):
    """A folder and the address that it is served at."""
    folder = tmp_path_factory.mktemp("files")
    with serving_files(folder) as address:
        yield folder, address


@pytest.fixture
def api(files: tuple[Path, str]):
    with serving(Api(files[0])) as started:
        yield started


@pytest.fixture
def fetch(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `geoships data sentinel2` on the local API; returns exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        given = ("--stac-api", api.url, "--collection", "s2", "--bands", "red,B11")
        monkeypatch.setattr(sys, "argv", ["geoships", "data", "sentinel2", *given, *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return call


WHOLE = ("--bbox", 2.9, 36.0, 3.1, 36.3)


def ships_of(scene: object, folder: Path) -> geopandas.GeoDataFrame:
    bundle = fake_bundle(bands=("red", "swir16"))
    return predict(
        scene, out=folder / "ships.gpkg", config=SMALL_TILES.model_copy(update={"overwrite": True}), model=bundle
    ).ships.drop(columns="scene")


def test_one_scene_gives_the_same_ships_by_every_way(api, files, fetch, tmp_path):
    bands = stored_bands(tmp_path)
    write_stack(tmp_path / "stack.tif", bands)
    add_item(api, files[1], "item", bands)
    code, said, heard = fetch(*WHOLE, "--out", tmp_path / "fetched.tif")
    assert code == 0, heard
    assert "item (2023-01-01T10:57:35Z, 5 % clouds" in heard
    assert "200 columns x 180 rows" in said
    pictures = {"B04_10m": bands["red"], "B11_20m": bands["swir16"]}
    product = write_product(tmp_path, pictures, added={"B04": -1000, "B11": -1000}, sensed=TIME)
    hrefs = {name: str(next(product.rglob(f"*_{name}_*.jp2"))) for name in ("B04", "B11")}
    by_band = BandFiles(
        "files",
        tuple(BandFile(name, href, scale=1e-4, offset=-0.1, nodata=0) for name, href in hrefs.items()),
        acquired=Acquisition(datetime.fromisoformat(TIME), datetime.fromisoformat(TIME)),
    )
    expected = ships_of(tmp_path / "stack.tif", tmp_path)
    assert len(expected) == len(SHIPS)
    item = f"{api.url}/collections/s2/items/item"
    for scene in (tmp_path / "fetched.tif", product, zipped(product), by_band, item):
        assert_geodataframe_equal(ships_of(scene, tmp_path), expected)


def test_the_fetched_scene_is_a_cog_that_says_what_it_holds(api, files, fetch, tmp_path):
    bands = stored_bands(tmp_path)
    write_stack(tmp_path / "stack.tif", bands)
    add_item(api, files[1], "item", bands)
    assert fetch(*WHOLE, "--out", tmp_path / "scene.tif", "--quiet") == (0, "", "")
    with rasterio.open(tmp_path / "scene.tif") as found, rasterio.open(tmp_path / "stack.tif") as stack:
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert found.descriptions == ("red", "swir16")
        assert (found.scales, found.offsets) == ((1e-4,) * 2, (-0.1,) * 2)
        assert (found.crs, found.transform, found.nodatavals) == (stack.crs, stack.transform, (0, 0))
        assert found.tags()["ACQUISITIONDATETIME"] == TIME
        assert found.tags()["SOURCE"] == f"{api.url}/collections/s2/items/item"
        np.testing.assert_array_equal(found.read(), stack.read())
    # a part of it lies on the same grid
    box = transform_bounds("EPSG:32631", "EPSG:4326", 500505, 3999005, 500995, 3999495)
    code, said, heard = fetch("--bbox", *box, "--out", tmp_path / "part.tif", "--json")
    assert code == 0, heard
    facts = json.loads(said)
    with rasterio.open(tmp_path / "part.tif") as part, rasterio.open(tmp_path / "stack.tif") as stack:
        assert part.shape == (facts["rows"], facts["columns"])
        assert 49 <= part.width <= 54
        window = stack.window(*part.bounds)
        np.testing.assert_array_equal(part.read(1), stack.read(1, window=window))
        np.testing.assert_allclose(part.read(2), stack.read(2, window=window), atol=1)


def test_items_of_one_pass_join_and_those_of_others_do_not(api, files, fetch, tmp_path):
    bands = stored_bands(tmp_path)
    bright = {name: np.where(values > 0, values + 500, 0).astype(np.uint16) for name, values in bands.items()}
    add_item(api, files[1], "west", bands, cloud=10)
    add_item(api, files[1], "east", bright, cloud=20, left=501500, time="2023-01-01T10:57:45Z")
    add_item(api, files[1], "again", bright, cloud=30)  # the west once more
    add_item(api, files[1], "shifted", bands, cloud=1, left=502500, offset=0.0)
    add_item(api, files[1], "another-day", bright, cloud=0, time="2023-01-06T10:57:35Z")
    box = transform_bounds("EPSG:32631", "EPSG:4326", 500000, GROUND[1], 504500, GROUND[3])
    code, _, heard = fetch("--bbox", *box, "--out", tmp_path / "scene.tif")
    assert code == 0, heard
    assert [line.split()[0] for line in heard.splitlines() if line.startswith("  ")] == ["west", "east"]
    assert "left out, because their scale or offset differs: shifted" in heard
    with rasterio.open(tmp_path / "scene.tif") as dataset:
        red = dataset.read(1)
        assert dataset.offsets == (-0.1, -0.1)
    assert red.shape == (180, 350)
    np.testing.assert_array_equal(red[:, 10:200], bands["red"][:, 10:])  # the least cloudy lies on top
    np.testing.assert_array_equal(red[:, 200:], bright["red"][:, 50:])
    np.testing.assert_array_equal(red[:, :10], 0)


BOX = (0.0, 0.0, 10.0, 1.0)


def found(name: str, day: str, west: float, east: float, cloud: float) -> FoundItem:
    time = datetime.fromisoformat(day).replace(tzinfo=UTC)
    part = shapely.intersection(shapely.box(west, 0, east, 1), shapely.box(*BOX))
    return FoundItem(name, name, cloud, part.area / 10, Acquisition(time, time), part)


@pytest.mark.parametrize(
    ("items", "taken"),
    [
        # the most of the box counts first, then clouds, then the newest
        ([found("a", "2023-01-01T10:00", 0, 9, 0), found("b", "2023-01-02T10:00", 0, 10, 50)], ["b"]),
        ([found("a", "2023-01-01T10:00", 0, 10, 9), found("b", "2023-01-02T10:00", 0, 10, 3)], ["b"]),
        ([found("a", "2023-01-01T10:00", 0, 10, 3), found("b", "2023-01-02T10:00", 0, 10, 3)], ["b"]),
        # two of one pass cover more than one of another
        (
            [
                found("a", "2023-01-01T10:00", 0, 5, 60),
                found("b", "2023-01-01T10:01", 4, 10, 60),
                found("c", "2023-01-02T10:00", 0, 9, 0),
            ],
            ["b", "a"],
        ),
        # what was processed twice is taken once
        ([found("a", "2023-01-01T10:00", 0, 10, 3), found("b", "2023-01-01T10:00", 0, 10, 4)], ["a"]),
    ],
)
def test_the_best_pass(items, taken):
    assert [item.name for item in choose_pass(items, BOX)] == taken
    assert [item.name for item in choose_pass(items[::-1], BOX)] == taken


def test_mistakes_are_one_line_and_leave_no_file(api, files, fetch, tmp_path):
    add_item(api, files[1], "item", stored_bands(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    for arguments, status, message in (
        ((*WHOLE, "--out", out / "scene.png"), 2, ".tif"),
        ((*WHOLE, "--out", out / "none" / "scene.tif"), 1, "does not exist"),
        ((*WHOLE, "--bands", "red,pan", "--out", out / "scene.tif"), 1, "item: no band pan"),
        ((*WHOLE, "--bands", "red,B04", "--out", out / "scene.tif"), 1, "name each band once"),
        (("--bbox", 3, 37, 4, 38, "--out", out / "scene.tif"), 1, "no item matches"),
        (("--bbox", 179, -1, -179, 1, "--out", out / "scene.tif"), 1, "antimeridian"),
    ):
        code, _, heard = fetch(*arguments)
        assert code == status
        assert message in heard
        assert status == 2 or (heard.startswith("error: ") and heard.count("\n") == 1)
    for path in api.folder.glob("item_*_swir16.tif"):
        path.unlink()
    code, _, heard = fetch(*WHOLE, "--out", out / "scene.tif")
    assert (code, heard.count("\n")) == (1, 1)
    assert not list(out.iterdir())
    with pytest.raises(SceneError, match="footprint"):
        choose_pass([found("a", "2023-01-01T10:00", 20, 21, 1)], BOX)


def test_a_file_that_goes_bad_while_it_is_read_leaves_nothing(api, files, tmp_path):
    add_item(api, files[1], "item", stored_bands(tmp_path))
    item = FoundItem(f"{api.url}/collections/s2/items/item", "item", 5, 1.0, None, shapely.box(2.9, 36, 3.1, 36.3))
    mosaic = open_mosaic([item], ["red"], (2.9, 36.0, 3.1, 36.3))
    for path in api.folder.glob("item_*_red.tif"):
        path.unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(SceneError, match="cannot read item"):
        mosaic.write(tmp_path / "out" / "scene.tif")
    assert not list((tmp_path / "out").iterdir())
