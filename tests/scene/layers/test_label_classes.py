"""Labels of several classes: from a column of a vector file, or from the values of a mask."""

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
from geoships.scene.layers.label_classes import LabelClasses
from geoships.scene.layers.labels import IGNORED, Labels, read_labels
from geoships.scene.tiling.windows import Window

UTM = Georeference(40, 50, Affine(10, 0, 500_000, 0, -10, 4_000_000), CRS(32631))
CLASSES = LabelClasses("kind", (("ship", 1), ("cloud", 7)))
BOXES = {"ship": (2, 2, 6, 4), "cloud": (4, 2, 20, 9), "pier": (30, 30, 40, 34)}  # west, top, east, bottom in pixels


def on_map(box: tuple[int, ...]) -> shapely.Polygon:
    west, top, east, bottom = box
    return shapely.box(500_000 + 10 * west, 4_000_000 - 10 * bottom, 500_000 + 10 * east, 4_000_000 - 10 * top)


def write(path: Path, kinds: dict[str, list[object]], names: tuple[str, ...] = tuple(BOXES)) -> Path:
    geometry = [on_map(BOXES[name]) for name in names]
    geopandas.GeoDataFrame(kinds, geometry=geometry, crs=32631).to_file(path)
    return path


@pytest.mark.parametrize("kinds", [["ship", "cloud", "pier"], [1, 7, 3], [1.0, 7.0, None]])
def test_a_column_tells_the_class_by_name_or_value(kinds: list[object], tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "a.gpkg", {"kind": kinds}), UTM, classes=CLASSES)
    assert labels.kinds == (0, 1)
    assert labels.ships[1].equals(shapely.box(*BOXES["cloud"]))
    assert len(labels.warnings) == 1
    assert "rows of other classes than ship, cloud are background" in labels.warnings[0]
    assert labels.of_class(1).ships == (labels.ships[1],)


def test_a_file_without_the_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"have no column kind .*their columns: sort"):
        read_labels(write(tmp_path / "a.gpkg", {"sort": ["ship"] * 3}), UTM, classes=CLASSES)


def test_labels_of_another_place_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", {"kind": ["ship", "cloud", "pier"]})
    away = Georeference(40, 50, Affine(10, 0, 600_000, 0, -10, 4_000_000), CRS(32631))
    with pytest.raises(SceneError, match="no label of"):
        read_labels(path, away, classes=CLASSES)


def test_values_of_a_mask_are_classes(tmp_path: Path) -> None:
    values = np.zeros((40, 50), np.uint8)
    values[2:4, 2:6], values[10:20, 10:20], values[30:, :] = 1, 7, 3
    with rasterio.open(
        tmp_path / "m.tif", "w", driver="GTiff", height=40, width=50, count=1, dtype="uint8", crs="EPSG:32631",
        transform=UTM.transform,
    ) as file:  # fmt: skip
        file.write(values, 1)
    labels = read_labels(tmp_path / "m.tif", UTM, classes=CLASSES)
    masks = labels.masks(Window(0, 0, 40, 50), 2, exclusive=False)
    np.testing.assert_array_equal(masks[0] == 1, values == 1)
    np.testing.assert_array_equal(masks[1] == 1, values == 7)


def test_of_labels_that_overlap_the_last_class_counts_where_classes_exclude_each_other() -> None:
    ships = tuple(shapely.box(*BOXES[name]) for name in ("ship", "cloud"))
    labels = Labels(ships, (shapely.box(0, 0, 5, 40),), kinds=(0, 1))
    window = Window(0, 0, 40, 50)
    ship, cloud = labels.masks(window, 2, exclusive=False)
    assert (ship[2:4, 2:6] == 1).all()
    assert (cloud[2:9, 4:20] == 1).all()
    assert (ship[4:9, 4] == 0).all()  # a cloud in an ignored area is known to be no ship
    assert (ship[20, :5] == IGNORED).all()
    apart, above = labels.masks(window, 2, exclusive=True)
    assert (apart[2:4, 4:6] == 0).all()
    assert (apart[2:4, 2:4] == 1).all()
    np.testing.assert_array_equal(above, cloud)
