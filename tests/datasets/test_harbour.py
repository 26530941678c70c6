from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from shapely import Polygon, STRtree, box

from geoships.datasets.harbour import Harbour, render_harbour, write_harbour
from geoships.errors import OutputError


@pytest.fixture(scope="module")
def harbour() -> Harbour:
    return render_harbour(seed=3, size=640)


def cover(ship: Polygon, shape: tuple[int, int], gap: float = 0) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    outline = np.asarray(ship.buffer(gap).exterior.coords)
    cv2.fillPoly(mask, [np.round((outline - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def test_the_same_seed_gives_the_same_scene() -> None:
    one, same, other = (render_harbour(seed, 192) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.reflectance, same.reflectance)
    assert one.ships == same.ships
    assert not np.array_equal(one.reflectance, other.reflectance)


@pytest.mark.parametrize("size", [128, 201, 256, 512])
def test_every_size_holds_ships(size: int) -> None:
    harbour = render_harbour(size=size)
    assert harbour.reflectance.shape == (5, size, size)
    assert harbour.reflectance.dtype == np.float32
    assert harbour.valid.shape == (size, size)
    assert len(harbour.ships) >= 1
    assert ((harbour.reflectance >= 0) & (harbour.reflectance <= 1)).all()


def test_a_scene_too_small_for_a_ship_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 128"):
        render_harbour(size=127)


def test_ships_lie_inside_on_valid_pixels(harbour: Harbour) -> None:
    scene = box(0, 0, 640, 640)
    for ship in harbour.ships:
        assert ship.within(scene)
        assert harbour.valid[cover(ship, harbour.valid.shape, gap=2)].all()


def test_ships_keep_apart(harbour: Harbour) -> None:
    tree = STRtree(harbour.ships)
    for index, ship in enumerate(harbour.ships):
        assert tree.query(ship, predicate="dwithin", distance=4).tolist() == [index]


def test_ships_have_the_size_of_ships(harbour: Harbour) -> None:
    for ship in harbour.ships:
        outline = np.asarray(ship.minimum_rotated_rectangle.exterior.coords)
        beam, length = sorted(np.hypot(*np.diff(outline[:3], axis=0).T))
        assert 6 <= length * (1 + 1e-6) <= 35.1
        assert 5.4 <= length / beam <= 7.1


def test_ships_are_brighter_than_the_water_around_them_in_swir(harbour: Harbour) -> None:
    swir, shape = harbour.reflectance[4], harbour.valid.shape
    for ship in harbour.ships:
        around = cover(ship, shape, gap=4) & ~cover(ship, shape, gap=2.5)
        assert swir[cover(ship, shape)].mean() > np.median(swir[around]) + 0.02


def test_the_scene_holds_water_land_and_a_corner_without_data(harbour: Harbour) -> None:
    valid, nir = harbour.valid, harbour.reflectance[3]
    assert 0.01 < (~valid).mean() < 0.2
    assert not valid[-1, -1]
    assert valid[0].all()
    assert (harbour.reflectance[:, ~valid] == 0).all()
    assert 0.2 < (nir[valid] > 0.12).mean() < 0.6
    assert 0.3 < (nir[valid] < 0.06).mean() < 0.8


def test_the_file_is_like_a_sentinel_2_product(harbour: Harbour, tmp_path: Path) -> None:
    path = tmp_path / "harbour.tif"
    write_harbour(harbour, path)
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_string() == harbour.crs == "EPSG:32631"
        assert dataset.transform == harbour.transform
        assert dataset.res == (10, 10)
        assert dataset.dtypes == ("uint16",) * 5
        assert dataset.descriptions == ("B02", "B03", "B04", "B08", "B11")
        assert dataset.scales == (1e-4,) * 5
        assert dataset.offsets == (-0.1,) * 5
        assert dataset.nodata == 0
        assert dataset.profile["tiled"]
        assert dataset.compression.name == "deflate"
        assert dataset.tags()["TIFFTAG_DATETIME"] == f"{harbour.datetime:%Y:%m:%d %H:%M:%S}"
        numbers = dataset.read()
    np.testing.assert_array_equal((numbers > 0).all(0), harbour.valid)
    np.testing.assert_array_equal((numbers > 0).any(0), harbour.valid)
    back = (numbers * 1e-4 - 0.1)[:, harbour.valid]
    np.testing.assert_allclose(back, harbour.reflectance[:, harbour.valid], atol=5.1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["harbour.tif"]


def test_a_folder_that_is_missing_is_our_error(harbour: Harbour, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_harbour(harbour, tmp_path / "missing" / "harbour.tif")
