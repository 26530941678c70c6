from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import IGNORED, SHIP, Labels, read_labels
from geoships.scene.tiling.windows import Window

UTM = Georeference(40, 60, Affine(10, 0, 500_000, 0, -10, 4_000_000), CRS.from_epsg(32633))


def write_mask(path: Path, mask: np.ndarray) -> Path:
    profile = {"driver": "GTiff", "height": mask.shape[0], "width": mask.shape[1], "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=UTM.transform) as dataset:
        dataset.write(mask, 1)
    return path


def test_a_mask_raster_comes_back_pixel_by_pixel_also_where_ships_touch_at_corners(tmp_path: Path) -> None:
    mask = (np.random.default_rng(1).random((40, 60)) < 0.3).astype(np.uint8)
    labels = read_labels(write_mask(tmp_path / "mask.tif", mask), UTM)
    np.testing.assert_array_equal(labels.mask(Window(0, 0, 40, 60)), mask)
    np.testing.assert_array_equal(labels.mask(Window(7, 5, 20, 30)), mask[7:27, 5:35])


def test_polygons_of_another_crs_are_converted_to_the_scenes_pixels(tmp_path: Path) -> None:
    x, y = UTM.to_map([10, 14], [20, 23])
    ship = geopandas.GeoDataFrame(geometry=[shapely.box(x[0], y[1], x[1], y[0])], crs=32633)
    ship.to_crs(4326).to_file(tmp_path / "ships.geojson")
    labels = read_labels(tmp_path / "ships.geojson", UTM)
    assert shapely.hausdorff_distance(labels.ships[0], shapely.box(10, 20, 14, 23)) < 0.01
    assert labels.mask(Window(18, 8, 10, 10)).tolist() == np.pad(np.ones((3, 4), int), ((2, 5), (2, 4))).tolist()


def test_ignored_areas_never_cover_a_ship() -> None:
    labels = Labels((shapely.box(2, 2, 4, 4),), (shapely.box(0, 0, 5, 3),))
    mask = labels.mask(Window(0, 0, 5, 6))
    assert (mask[2:4, 2:4] == SHIP).all()
    assert (mask[:3] == IGNORED).sum() == 3 * 5 - 2


def test_a_mask_of_another_size_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="expected 40 x 60 pixels as the scene has, got 40 x 50"):
        read_labels(write_mask(tmp_path / "mask.tif", np.zeros((40, 50), np.uint8)), UTM)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("none.tif", "none.geojson"):
        with pytest.raises(SceneError, match="none"):
            read_labels(tmp_path / name, UTM)
