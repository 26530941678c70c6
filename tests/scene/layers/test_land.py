from pathlib import Path

import geopandas
import pytest
from affine import Affine
from pyproj import CRS
from shapely import Polygon, box

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.land import MaskLand, PolygonLand, read_land
from geoships.scene.tiling.windows import Window


def test_land_within_the_shore_buffer_does_not_count() -> None:
    land = PolygonLand([box(0, 0, 50, 100), box(50, 0, 100, 100)], 200, (10, 20))  # joined: no shore between the two
    assert land.covers(Window(10, 20, 80, 60))  # from 200 m on, 20 columns or 10 rows
    assert not land.covers(Window(9, 20, 80, 60))
    assert not land.covers(Window(10, 19, 80, 60))
    assert not land.covers(Window(200, 200, 10, 10))


def test_land_is_read_from_a_file_in_any_crs(tmp_path: Path) -> None:
    georeference = Georeference(100, 100, Affine(10, 0, 500000, 0, -10, 4000000), CRS(32631))
    frame = geopandas.GeoDataFrame(geometry=[box(500000, 3999000, 500500, 4000000)], crs=32631)
    frame.to_crs(4326).to_file(tmp_path / "land.gpkg")
    land = read_land(tmp_path / "land.gpkg", georeference, 100, (10, 10))
    assert land.covers(Window(11, 11, 70, 28))
    assert not land.covers(Window(11, 11, 70, 32))
    frame.iloc[:0].to_file(tmp_path / "none.gpkg")
    with pytest.raises(SceneError, match=r"none\.gpkg has no polygons"):
        read_land(tmp_path / "none.gpkg", georeference, 100, (10, 10))


def test_the_global_land_mask_tells_land_from_sea() -> None:
    pytest.importorskip("roaring_landmask")

    def at(lon: float, lat: float) -> MaskLand:  # 100 x 100 pixels of 0.001 degrees
        grid = Georeference(100, 100, Affine(0.001, 0, lon, 0, -0.001, lat), CRS(4326))
        return MaskLand(grid, 200, (100.0, 110.0))

    whole = Window(0, 0, 100, 100)
    assert at(3.0, 45.5).covers(whole)  # Auvergne
    assert not at(-30.0, 40.0).covers(whole)  # the Atlantic
    assert not at(8.85, 44.45).covers(whole)  # Genoa: land in the north, the port in the south
    assert at(179.95, 67.8).covers(whole)  # Chukotka, across the antimeridian
    with pytest.raises(SceneError, match="needs a georeferenced scene"):
        MaskLand(Georeference(10, 10, None, None), 200, (10, 10))


def test_land_far_from_the_scene_does_not_count_in_its_digest() -> None:
    scene = Window(0, 0, 100, 200)

    def digest(*polygons: Polygon, shore: float = 200) -> str:
        return PolygonLand(polygons, shore, (10, 20)).digest(scene)

    near, halves = box(-30, -30, 50, 100), [box(-30, -30, 20, 100), box(20, -30, 50, 100)]
    assert digest(near) == digest(near, box(1000, 0, 2000, 100)) == digest(*halves)
    assert digest(near) != digest(box(-10, -30, 50, 100))  # within the shore, so that other tiles are on land
    assert digest(box(-500, -500, 500, 500)) == digest(box(-900, -500, 500, 700))
    assert digest() == digest(box(1000, 0, 2000, 100)) != digest(near)
