"""Renders a synthetic Sentinel-2 scene of a harbour with known ship outlines, for demonstrations and tests.

No pixel comes from a satellite. Its coordinates are in open sea in the Gulf of Guinea.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from shapely import Polygon

from geoships.datasets.coast import Plane, noise, render_coast, smoothstep
from geoships.datasets.fleet import GSD, draw_ship, place_fleet
from geoships.support.files import atomic_write

BANDS = ("B02", "B03", "B04", "B08", "B11")  # blue, green, red, nir, swir16
SCALE, OFFSET, NODATA = 1e-4, -0.1, 0  # reflectance = SCALE * stored value + OFFSET
CRS, WEST, NORTH = "EPSG:32631", 500_000.0, 120_000.0
ACQUIRED = datetime(2024, 6, 21, 10, 26, 31, tzinfo=UTC)
MIN_SIZE = 128  # pixels per side; smaller harbours have no room for a ship

_CLOUD = np.array([0.52, 0.51, 0.50, 0.52, 0.36], np.float32)
_HAZE = np.array([0.22, 0.20, 0.18, 0.15, 0.06], np.float32)
_SENSOR_NOISE = np.array([0.0007, 0.0006, 0.0006, 0.0007, 0.0006], np.float32)


@dataclass(frozen=True)
class Harbour:
    """A scene with its ground truth.

    Attributes:
        reflectance: (5, rows, columns) in blue, green, red, nir, swir16, 0 to 1; 0 where not valid.
        valid: (rows, columns), True where the pixel has data.
        ships: Outline of each ship in pixel coordinates (column, row) from the upper left corner.
        transform: Geotransform from pixel coordinates to map coordinates in `crs`, metres.
        crs: Such as "EPSG:32631".
        datetime: Fictitious acquisition time, UTC.
    """

    reflectance: Plane
    valid: NDArray[np.bool_]
    ships: tuple[Polygon, ...]
    transform: Affine
    crs: str
    datetime: datetime


def render_harbour(seed: int = 7, size: int = 2048) -> Harbour:
    """Render a harbour at a GSD of 10 m; the same seed and size give the same scene.

    There are about 70 ships of 60 m to 350 m in 2048 x 2048 pixels, and in proportion to the area in other sizes.

    Args:
        seed: Seed of the random generator.
        size: Pixels per side.

    Returns:
        The scene with its ground truth.

    Raises:
        ValueError: `size` is less than 128.
    """
    if size < MIN_SIZE:
        raise ValueError(f"size: expected at least {MIN_SIZE} pixels, got {size}")
    rng = np.random.default_rng(seed)
    coast = render_coast(rng, size)
    valid = _draw_swath(size)
    cloud, shadow = _draw_clouds(rng, valid)
    inside = cv2.erode(valid.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    overcast = cv2.dilate(((cloud > 0.01) | (shadow > 0.01)).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    count = max(3, round(rng.uniform(66, 78) * (size / 2048) ** 2))
    fleet = place_fleet(rng, coast, inside & ~overcast, count)
    scene = coast.reflectance
    for ship in fleet:
        draw_ship(rng, scene, ship)
    _add_weather(rng, scene, cloud, shadow)
    scene = _simulate_sensor(rng, scene)
    scene[:, ~valid] = 0
    transform = Affine(GSD, 0, WEST, 0, -GSD, NORTH)
    return Harbour(scene, valid, tuple(ship.hull for ship in fleet), transform, CRS, ACQUIRED)


def write_harbour(harbour: Harbour, path: Path) -> None:
    """Write a tiled GeoTIFF like a Sentinel-2 product: uint16, reflectance x 10000 + 1000, nodata 0, with overviews.

    The file is written atomically.

    Args:
        harbour: The scene.
        path: GeoTIFF to write.

    Raises:
        OutputError: The file cannot be written.
    """
    stored = np.clip(np.round((harbour.reflectance - OFFSET) / SCALE), 1, 65535).astype(np.uint16)
    stored[:, ~harbour.valid] = NODATA
    with atomic_write(path) as temporary:
        _write_tiff(temporary, stored, harbour)


def _write_tiff(path: Path, stored: NDArray[np.uint16], harbour: Harbour) -> None:
    count, height, width = stored.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=count,
        height=height,
        width=width,
        crs=harbour.crs,
        transform=harbour.transform,
        nodata=NODATA,
        tiled=True,
        blockxsize=256,
        blockysize=256,
        compress="deflate",
        predictor=2,
    ) as dataset:
        dataset.scales, dataset.offsets = (SCALE,) * count, (OFFSET,) * count
        dataset.descriptions = BANDS
        dataset.update_tags(TIFFTAG_DATETIME=f"{harbour.datetime:%Y:%m:%d %H:%M:%S}")
        dataset.write(stored)
        factors = [factor for factor in (2, 4, 8, 16) if min(height, width) // factor >= 256]
        if factors:
            dataset.build_overviews(factors, Resampling.average)


def _draw_swath(size: int) -> NDArray[np.bool_]:
    """Return the valid pixels (size, size): the swath's edge cuts the lower right corner at 13 degrees from north."""
    row, column = np.mgrid[:size, :size]
    return np.asarray(column + 0.23 * row < 1.08 * size)


def _draw_clouds(rng: np.random.Generator, valid: NDArray[np.bool_]) -> tuple[Plane, Plane]:
    """Return the opacity of cumulus clouds and of their shadows, each (size, size), 0 to 1."""
    size = len(valid)
    field = noise(rng, size, size / 10, 4) + 0.12 * noise(rng, size, size / 100, 3)
    cover = noise(rng, size, size / 2, 3)
    from_edge = cv2.distanceTransform(valid.astype(np.uint8), cv2.DIST_L2, 3)
    cloud = smoothstep(field + 0.8 * cover, 2.2, 4.4) * smoothstep(from_edge, 0.01 * size, 0.08 * size)
    shift = np.array([[1, 0, -0.012 * size], [0, 1, -0.02 * size]], np.float32)
    shadow = cv2.warpAffine(cv2.GaussianBlur(cloud, (0, 0), 2), shift, (size, size))
    return np.asarray(cloud, np.float32), np.asarray(shadow, np.float32)


def _add_weather(rng: np.random.Generator, scene: Plane, cloud: Plane, shadow: Plane) -> None:
    """Add the adjacency effect, cloud shadows, patches of haze and clouds to the scene (5, size, size) in place."""
    size = scene.shape[1]
    small = max(16, size // 8)
    haze = 0.10 * smoothstep(noise(rng, size, size / 3, 5), 0.2, 2.8)
    for band, haze_value, cloud_value in zip(scene, _HAZE, _CLOUD, strict=True):
        around = cv2.GaussianBlur(cv2.resize(band, (small, small), interpolation=cv2.INTER_AREA), (0, 0), 4)
        band += 0.05 * (cv2.resize(around, (size, size), interpolation=cv2.INTER_LINEAR) - band)
        band *= 1 - 0.6 * shadow
        band += haze * (haze_value - band)
        band += cloud * (cloud_value - band)


def _simulate_sensor(rng: np.random.Generator, scene: Plane) -> Plane:
    """Return the scene (5, size, size) as the sensor records it: point spread, noise, and 20 m pixels in swir16."""
    size = scene.shape[1]
    recorded = np.empty_like(scene)
    for band, sharp, deviation in zip(recorded[:4], scene[:4], _SENSOR_NOISE[:4], strict=True):
        band[:] = cv2.GaussianBlur(sharp, (0, 0), 0.55)
        band += deviation * rng.standard_normal(band.shape, np.float32)
    half = (size + 1) // 2
    coarse = cv2.GaussianBlur(cv2.resize(scene[4], (half, half), interpolation=cv2.INTER_AREA), (0, 0), 0.45)
    coarse += _SENSOR_NOISE[4] * rng.standard_normal(coarse.shape, np.float32)
    recorded[4] = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(recorded, 0, 1)
