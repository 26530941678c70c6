"""Synthetic labelled chips: a bright ship in the centre of rough water, or water and a strip of land."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 32


def make_chip(seed: int, *, ship: bool, size: int = SIZE) -> NDArray[np.uint8]:
    """Return (size, size, 3) in red, green, blue."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size, 3), (50, 70, 80), np.float64)
    if ship:
        centre, angle = size / 2, rng.uniform(0, 180)
        box = cv2.boxPoints(((centre, centre), (size * 0.6, size * 0.15), angle))
        cv2.fillPoly(image, [box.round().astype(np.int32)], (200, 190, 180))
    else:
        image[: int(rng.integers(0, size // 2))] = (90, 100, 90)
    waves = rng.normal(0, 18, (size, size, 1))
    return np.clip(image + waves, 0, 255).astype(np.uint8)


def write_chip(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))


def write_chips(folder: Path, ships: int = 12, others: int = 20) -> Path:
    """Write the folders `ship` and `no-ship`; every fourth chip has a shifted copy."""
    for name, count in (("ship", ships), ("no-ship", others)):
        for number in range(count):
            image = make_chip(number + (1000 if name == "ship" else 0), ship=name == "ship", size=SIZE + 2)
            write_chip(folder / name / f"{name}_{number:03}.png", image[:SIZE, :SIZE])
            if number % 4 == 0:
                write_chip(folder / name / f"{name}_{number:03}_moved.png", image[2:, 1 : SIZE + 1])
    return folder
