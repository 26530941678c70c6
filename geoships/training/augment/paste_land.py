"""Piers, breakwaters and islands that never were: land of one scene on the water of another, labelled as no ship.

Ships are rarely longer than 400 m; long and thin or large things in the water are something else.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from geoships.config.augment import PasteLand
from geoships.scene.layers.labels import SHIP

LEAST_LAND = 0.1  # share of a crop; with less there is too little to take a texture from
SHIFT = 4  # binary digits behind the point, for cv2


def paste_land(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8],
    land: NDArray[np.float32],
    is_land: NDArray[np.bool_],
    step: PasteLand,
    zoom: float,
    rng: np.random.Generator,
) -> None:
    """Put strips and islands of another crop's land onto a crop, in place; ships and their surroundings stay free.

    image, land: (bands, rows, columns) reflectance of one shape. mask: (rows, columns), unchanged.
    is_land: (rows, columns), where `land` shows land; its median stands for the rest.
    zoom: crop pixels per model pixel.
    """
    if is_land.mean() < LEAST_LAND:
        return
    cover = np.zeros(mask.shape, np.float32)
    for _ in range(rng.integers(1, step.most + 1)):
        draw = _strip if rng.random() < step.strips else _island
        cover = np.maximum(cover, draw(mask.shape, zoom, rng))
    near_ship = cv2.dilate((mask == SHIP).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    cover[near_ship] = 0
    # A band that either scene lacks is left as it is.
    for band, other in zip(image, land, strict=True):
        if np.isfinite(other[0, 0]):
            texture = np.where(is_land, other, np.median(other[is_land]))
            band += cover * (texture - band)


def _strip(shape: tuple[int, int], zoom: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A pier: 50 to 200 pixels long and 1 to 5 wide, bent at times, often with a wider head."""
    length, width = rng.uniform(50, 200) * zoom, max(1, round(rng.uniform(0.8, 5) * zoom))
    start = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    angle = rng.uniform(0, 2 * np.pi)
    bend = rng.choice([0, rng.uniform(-1.6, 1.6)])
    middle = start + length * rng.uniform(0.3, 0.9) * np.array([np.cos(angle), np.sin(angle)])
    end = middle + length * 0.5 * np.array([np.cos(angle + bend), np.sin(angle + bend)])
    cover = _line(shape, (start, middle, end), width)
    if rng.random() < 0.4:
        across = rng.uniform(2, 8) * zoom * np.array([-np.sin(angle + bend), np.cos(angle + bend)])
        cover = np.maximum(cover, _line(shape, (end - across, end + across), width + round(2 * zoom)))
    return cover


def _line(shape: tuple[int, int], points: tuple[NDArray[np.float64], ...], width: int) -> NDArray[np.float32]:
    drawn = np.zeros(shape, np.uint8)
    fixed = np.round(np.array(points) * 2**SHIFT).astype(np.int32)
    cv2.polylines(drawn, [fixed], False, 255, max(1, width), cv2.LINE_AA, SHIFT)
    return (drawn / np.float32(255)).astype(np.float32)


def _island(shape: tuple[int, int], zoom: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """An irregular island, 16 to 70 pixels across."""
    corners = 12
    angles = np.arange(corners) * 2 * np.pi / corners
    radii = rng.uniform(8, 35) * zoom * rng.uniform(0.6, 1.2, corners)
    centre = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    outline = centre + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles) * rng.uniform(0.4, 1)])
    drawn = np.zeros(shape, np.uint8)
    cv2.fillPoly(drawn, [np.round(outline * 2**SHIFT).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    return (drawn / np.float32(255)).astype(np.float32)
