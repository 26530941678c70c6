"""Polygons larger than a map projection reaches, around poles and across the antimeridian."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoships.errors import SceneError
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import read_area
from geoships.scene.layers.labels import read_labels
from geoships.scene.layers.land import read_land
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.tiling.windows import Window

SIDE = 64


def place(crs: int, left: float, top: float, size: float) -> Georeference:
    return Georeference(SIDE, SIDE, Affine(size, 0, left, 0, -size, top), CRS(crs))


SCENES = {
    "utm": place(32633, 400_000, 5_000_000, 10),
    "utm south": place(32733, 400_000, 5_000_000, 10),
    "utm across the antimeridian": place(32660, 820_000, 5_000, 100),
    "mercator": place(3857, 1_500_000, 5_000_000, 10),
    "degrees": place(4326, 14, 45, 0.001),
    "degrees across the antimeridian": place(4326, 179.98, 10, 0.001),
    "degrees beyond 180": place(4326, 190, 10, 0.001),
    "north pole": place(3413, -320, 320, 10),
    "south pole": place(3031, -320, 320, 10),
    "far north": place(3995, 500_000, -500_000, 100),
    "equal area": place(6933, 1_500_000, 5_000_000, 100),
}
WORLDS = {
    "world": shapely.box(-180, -90, 180, 90),
    "world from 0": shapely.box(0, -90, 360, 90),
    "hemispheres": shapely.MultiPolygon([shapely.box(-180, -90, 0, 90), shapely.box(0, -90, 180, 90)]),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("scene", SCENES)
def test_the_whole_world_covers_every_scene(scene: str, world: str, tmp_path: Path) -> None:
    path = tmp_path / "world.gpkg"
    geopandas.GeoDataFrame(geometry=[WORLDS[world]], crs=4326).to_file(path)
    window = Window(0, 0, SIDE, SIDE)
    assert read_area(path, SCENES[scene]).mask(window).all()
    assert (read_labels(path, SCENES[scene]).mask(window) == 1).all()
    if world == "world":
        assert read_land(path, SCENES[scene], 0, (10, 10)).covers(Window(4, 4, SIDE - 8, SIDE - 8))


@pytest.mark.parametrize(
    ("crs", "scene"),
    [(3857, "utm"), (3857, "utm across the antimeridian"), (3857, "degrees across the antimeridian"), (6933, "utm"),
     (3413, "north pole"), (3995, "north pole"), (3413, "utm"), (32633, "mercator"), (32634, "utm"),
     (3031, "south pole")],
)  # fmt: skip
def test_projected_areas_of_a_continent_cover_scenes_in_them(crs: int, scene: str) -> None:
    west, south, east, north = {
        3857: (-20037508.3, -20037508.3, 20037508.3, 20037508.3), 6933: (-17367530, -7314540, 17367530, 7314540),
        32633: (-2e6, 1e6, 3e6, 9e6), 32634: (-2e6, 1e6, 3e6, 9e6),
    }.get(crs, (-6e6, -6e6, 6e6, 6e6))  # fmt: skip
    pixels = PixelProjection(CRS(crs), SCENES[scene])(shapely.box(west, south, east, north))
    assert shapely.intersection(pixels, shapely.box(0, 0, SIDE, SIDE)).area == pytest.approx(SIDE**2, rel=1e-4)


def test_a_polar_cap_is_cut_at_its_parallel() -> None:
    """The edge of a cap of 89.9 degrees is a circle of 11 km around the pole of the scene."""
    scene = place(3413, -32_000, 32_000, 1000)
    cap = PixelProjection(CRS(4326), scene)(shapely.box(-180, 89.9, 180, 90))
    x, y = scene.to_map(*shapely.get_coordinates(cap.convex_hull).T)
    radius = np.hypot(x, y)
    assert radius == pytest.approx(np.full(len(radius), 10_830), rel=2e-3)  # 11.17 km, times the scale at the pole
    assert cap.area == pytest.approx(np.pi * 10.83**2, rel=5e-3)


@pytest.mark.parametrize("scene", ["utm across the antimeridian", "degrees across the antimeridian"])
def test_an_area_across_the_antimeridian_in_every_notation(scene: str) -> None:
    notations = [
        shapely.box(179, -20, 181, 20),
        shapely.box(-181, -20, -179, 20),
        shapely.MultiPolygon([shapely.box(179, -20, 180, 20), shapely.box(-180, -20, -179, 20)]),
        shapely.box(-179, -20, 179, 20),  # not cut: it seems to reach around the world the other way
    ]
    grid = SCENES[scene]
    column, row = grid.to_pixel(179.99, 9.99) if grid.crs == CRS(4326) else (10, 10)
    for notation in notations:
        assert shapely.contains(PixelProjection(CRS(4326), grid)(notation), shapely.Point(column, row))


@pytest.mark.parametrize("scene", ["utm", "mercator", "degrees", "far north"])
def test_what_lies_in_another_hemisphere_is_outside(scene: str, tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=[shapely.box(-150, -60, -120, -30)], crs=4326).to_file(tmp_path / "a.gpkg")
    with pytest.raises(SceneError, match="is outside the scene"):
        read_area(tmp_path / "a.gpkg", SCENES[scene])
    with pytest.raises(SceneError, match=r"no label of .* lies in the scene"):
        read_labels(tmp_path / "a.gpkg", SCENES[scene])
    assert "does not overlap" in read_land(tmp_path / "a.gpkg", SCENES[scene], 0, (10, 10)).warnings[0]
