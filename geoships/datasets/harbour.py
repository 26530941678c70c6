"""A synthetic Sentinel-2 scene of a harbour with ships whose outlines are known: for demonstrations and tests.

No pixel comes from a satellite. The place is open sea in the Gulf of Guinea.
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
from geoships.datasets.fleet import METRES, draw_ship, place_fleet
from geoships.support.files import atomic_write

BANDS = ("B02", "B03", "B04", "B08", "B11")  # blue, green, red, nir, swir16
SCALE, OFFSET, NODATA = 1e-4, -0.1, 0  # reflectance = SCALE * number + OFFSET
CRS, WEST, NORTH = "EPSG:32631", 500_000.0, 120_000.0
TAKEN = datetime(2024, 6, 21, 10, 26, 31, tzinfo=UTC)
LEAST = 128  # pixels along a side, for a harbour that holds a ship

_CLOUD = np.array([0.52, 0.51, 0.50, 0.52, 0.36], np.float32)
_HAZE = np.array([0.22, 0.20, 0.18, 0.15, 0.06], np.float32)
_SENSOR_NOISE = np.array([0.0007, 0.0006, 0.0006, 0.0007, 0.0006], np.float32)


@dataclass(frozen=True)
class Harbour:
    """A scene and the truth about it.

    reflectance: (5, rows, columns) in blue, green, red, nir, swir16, 0 to 1; 0 where not valid.
    valid: (rows, columns), whether the pixel holds data.
    ships: the outline of each ship, in pixel coordinates (column, row) counted from the upper left corner.
    transform: from pixel coordinates to map coordinates in `crs`, metres.
    crs: for example "EPSG:32631".
    datetime: when the scene pretends to have been taken, UTC.
    """

    reflectance: Plane
    valid: NDArray[np.bool_]
    ships: tuple[Polygon, ...]
    transform: Affine
    crs: str
    datetime: datetime


def render_harbour(seed: int = 7, size: int = 2048) -> Harbour:
    """Draw a harbour of size x size pixels of 10 m; the same seed and size give the same scene.

    About 70 ships of 60 m to 350 m at 2048 pixels, fewer in smaller scenes by their area.
    Raises ValueError below 128 pixels.
    """
    if size < LEAST:
        raise ValueError(f"a harbour cannot be {size} x {size} pixels; use at least {LEAST}")
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
    scene = _observe(rng, scene)
    scene[:, ~valid] = 0
    transform = Affine(METRES, 0, WEST, 0, -METRES, NORTH)
    return Harbour(scene, valid, tuple(ship.hull for ship in fleet), transform, CRS, TAKEN)


def write_harbour(harbour: Harbour, path: Path) -> None:
    """Write a tiled GeoTIFF like a Sentinel-2 product: uint16, reflectance x 10000 + 1000, nodata 0, with overviews.

    The file appears whole or not at all. Raises OutputError when it cannot be written.
    """
    numbers = np.clip(np.round((harbour.reflectance - OFFSET) / SCALE), 1, 65535).astype(np.uint16)
    numbers[:, ~harbour.valid] = NODATA
    with atomic_write(path) as temporary:
        _write_tiff(temporary, numbers, harbour)


def _write_tiff(path: Path, numbers: NDArray[np.uint16], harbour: Harbour) -> None:
    count, height, width = numbers.shape
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
        dataset.write(numbers)
        factors = [factor for factor in (2, 4, 8, 16) if min(height, width) // factor >= 256]
        if factors:
            dataset.build_overviews(factors, Resampling.average)


def _draw_swath(size: int) -> NDArray[np.bool_]:
    """Mark valid pixels, (size, size): the edge of the orbit cuts the lower right corner at 13 degrees from north."""
    row, column = np.mgrid[:size, :size]
    return np.asarray(column + 0.23 * row < 1.08 * size)


def _draw_clouds(rng: np.random.Generator, valid: NDArray[np.bool_]) -> tuple[Plane, Plane]:
    """Opacity of fair-weather clouds with soft edges, and depth of their shadows, 0 to 1 each, (size, size)."""
    size = len(valid)
    field = noise(rng, size, size / 10, 4) + 0.12 * noise(rng, size, size / 100, 3)
    where = noise(rng, size, size / 2, 3)
    inland = cv2.distanceTransform(valid.astype(np.uint8), cv2.DIST_L2, 3)  # from the edge of the swath
    cloud = smoothstep(field + 0.8 * where, 2.2, 4.4) * smoothstep(inland, 0.01 * size, 0.08 * size)
    shift = np.array([[1, 0, -0.012 * size], [0, 1, -0.02 * size]], np.float32)
    shadow = cv2.warpAffine(cv2.GaussianBlur(cloud, (0, 0), 2), shift, (size, size))
    return np.asarray(cloud, np.float32), np.asarray(shadow, np.float32)


def _add_weather(rng: np.random.Generator, scene: Plane, cloud: Plane, shadow: Plane) -> None:
    """Add light from the neighbourhood, shadows, thin haze in patches and clouds to the scene (5, size, size)."""
    size = scene.shape[1]
    small = max(16, size // 8)
    haze = 0.10 * smoothstep(noise(rng, size, size / 3, 5), 0.2, 2.8)
    for band, bright, white in zip(scene, _HAZE, _CLOUD, strict=True):
        around = cv2.GaussianBlur(cv2.resize(band, (small, small), interpolation=cv2.INTER_AREA), (0, 0), 4)
        band += 0.05 * (cv2.resize(around, (size, size), interpolation=cv2.INTER_LINEAR) - band)
        band *= 1 - 0.6 * shadow
        band += haze * (bright - band)
        band += cloud * (white - band)


def _observe(rng: np.random.Generator, scene: Plane) -> Plane:
    """Return what the sensor makes of the scene (5, size, size): optics, noise, and 20 m pixels in swir16."""
    size = scene.shape[1]
    seen = np.empty_like(scene)
    for band, sharp, deviation in zip(seen[:4], scene[:4], _SENSOR_NOISE[:4], strict=True):
        band[:] = cv2.GaussianBlur(sharp, (0, 0), 0.55)
        band += deviation * rng.standard_normal(band.shape, np.float32)
    half = (size + 1) // 2
    coarse = cv2.GaussianBlur(cv2.resize(scene[4], (half, half), interpolation=cv2.INTER_AREA), (0, 0), 0.45)
    coarse += _SENSOR_NOISE[4] * rng.standard_normal(coarse.shape, np.float32)
    seen[4] = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(seen, 0, 1)
