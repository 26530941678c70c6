"""Writes a scene and its ships, for tests of the viewer page."""

from __future__ import annotations

from pathlib import Path

from affine import Affine
from pyproj import CRS
from scenes import SHIPS, UTM, ship_scene
from shapely import affinity, box

from geoships.output.formats import write_ships
from geoships.output.ship_table import ships_frame
from geoships.scene.georeference import Georeference

SCORES = (0.95, 0.6, 0.8, 0.7)


def ships_and_scene(
    folder: Path,
    name: str = "ships.geojson",
    *,
    transform: Affine | None = UTM,
    crs: str | None = "EPSG:32631",
    ships: tuple[tuple[int, int, int, int], ...] = SHIPS,
    title: str = "scene.tif",
) -> tuple[Path, Path]:
    """Write a scene and its ships like `geoships predict`; return the paths of ships and scene."""
    ship_scene(folder / title, transform=transform, crs=crs, ships=ships)
    shapes = [box(column, row, column + width, row + height) for row, column, height, width in ships]
    if crs is not None and transform is not None:
        shapes = [affinity.affine_transform(shape, transform.to_shapely()) for shape in shapes]
    rows = [
        {"id": n, "score": SCORES[(n - 1) % 4], "length_m": 100.0 + n, "pixels": 9, "on_border": False, "scene": title}
        for n in range(1, len(ships) + 1)
    ]
    georeference = Georeference(180, 200, transform, CRS(crs) if crs else None)
    write_ships(folder / name, ships_frame(rows, shapes, georeference.crs), georeference=georeference, title="ships")
    return folder / name, folder / title
