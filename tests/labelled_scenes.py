"""Writes small labelled scenes, for tests of training."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine

SHAPE = (160, 192)
BANDS = ("B03", "B08")


def write_reflectance(path: Path, image: np.ndarray, bands: tuple[str, ...], transform: Affine) -> None:
    """Write reflectance (bands, rows, columns) as integers of 1/10,000, with the names of the bands."""
    with rasterio.open(
        path, "w", driver="GTiff", height=image.shape[1], width=image.shape[2], count=len(bands), dtype="uint16",
        crs="EPSG:32631", transform=transform,
    ) as dataset:  # fmt: skip
        dataset.write(np.clip(image * 10_000, 0, 65_535).astype("uint16"))
        dataset.scales = (1e-4,) * len(bands)
        for number, band in enumerate(bands, 1):
            dataset.set_band_description(number, band)


def write_scene(folder: Path, name: str, *, seed: int, bands: tuple[str, ...] = BANDS, ships: int = 14) -> None:
    """Write bright ships of 4 x 10 pixels on dark, noisy water, with land on the left, and labels in another CRS."""
    rng = np.random.default_rng(seed)
    transform = Affine(10, 0, 500_000 + 5000 * seed, 0, -10, 4_000_000)
    water = {"B03": 0.06, "B08": 0.02, "B11": 0.01}
    image = np.stack([np.full(SHAPE, water[band], np.float32) for band in bands])
    image[:, :, :24] = 0.25
    boxes = []
    for cell in rng.permutation(5 * 6)[:ships]:
        row, column = 6 + 30 * int(cell // 6), 30 + 26 * int(cell % 6)
        height, width = ((4, 10), (10, 4))[rng.integers(2)]
        image[:, row : row + height, column : column + width] = 0.4
        boxes.append(shapely.box(column, row, column + width, row + height))
    write_reflectance(folder / f"{name}.tif", image + rng.normal(0, 0.004, image.shape), bands, transform)
    polygons = [shapely.transform(box, lambda xy: np.column_stack(transform * (xy[:, 0], xy[:, 1]))) for box in boxes]
    geopandas.GeoDataFrame(geometry=polygons, crs=32631).to_crs(4326).to_file(folder / f"{name}.geojson")


# Objects of three classes: reflectance in green and near infrared, and (rows, columns).
OBJECTS = {
    "ship": ((0.40, 0.12), (7, 14)),
    "cloud": ((0.75, 0.75), (14, 14)),
    "algae": ((0.05, 0.32), (9, 9)),
}


def write_class_scene(folder: Path, name: str, *, seed: int, field: str = "class") -> dict[str, list[shapely.Polygon]]:
    """Write dark water with objects of three classes, and labels that name the class in a column.

    Returns the objects of each class in map coordinates.
    """
    rng = np.random.default_rng(seed)
    transform = Affine(10, 0, 500_000 + 5000 * seed, 0, -10, 4_000_000)
    image = np.stack([np.full(SHAPE, value, np.float32) for value in (0.06, 0.02)])
    objects: dict[str, list[shapely.Polygon]] = {kind: [] for kind in OBJECTS}
    for cell in rng.permutation(5 * 6):
        kind = (*OBJECTS, None)[int(cell) % 4 if rng.random() < 0.9 else 3]
        if kind is None:
            continue
        values, (height, width) = OBJECTS[kind]
        row, column = 8 + 30 * int(cell // 6), 8 + 30 * int(cell % 6)
        image[:, row : row + height, column : column + width] = np.array(values)[:, None, None]
        corners = transform * (column, row), transform * (column + width, row + height)
        objects[kind].append(shapely.box(corners[0][0], corners[1][1], corners[1][0], corners[0][1]))
    write_reflectance(folder / f"{name}.tif", image + rng.normal(0, 0.004, image.shape), BANDS, transform)
    rows = [(kind, polygon) for kind, polygons in objects.items() for polygon in polygons]
    labels = {field: [kind for kind, _ in rows]}
    geopandas.GeoDataFrame(labels, geometry=[polygon for _, polygon in rows], crs=32631).to_file(
        folder / f"{name}.geojson"
    )
    return objects
