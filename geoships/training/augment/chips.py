"""Random changes of chips that keep their label: a ship that lies whole in the middle still does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from geoships.config.classification import ChipAugment, Contrast, Shift, Zoom
from geoships.config.verification import VerifierAugment
from geoships.training.augment.radiometry import blur, gain, gamma, noise

Image = NDArray[np.float32]


def vary_chip(image: Image, steps: ChipAugment, rng: np.random.Generator) -> Image:
    """Change a chip (bands, rows, columns) by the steps that are on, in their order."""
    image = place(turn_chip(image, steps, rng), steps.zoom, steps.shift, rng)
    if steps.gain and rng.random() < steps.gain.p:
        image = gain(image, steps.gain, rng)
    if steps.contrast and rng.random() < steps.contrast.p:
        image = contrast(image, steps.contrast, rng)
    if steps.gamma and rng.random() < steps.gamma.p:
        image = gamma(image, steps.gamma, rng)
    if steps.blur and rng.random() < steps.blur.p:
        image = blur(image, steps.blur, rng)
    if steps.noise and rng.random() < steps.noise.p:
        image = noise(image, steps.noise, rng)
    return np.clip(image, 0, 1).astype(np.float32)


def turn_chip(image: Image, steps: ChipAugment | VerifierAugment, rng: np.random.Generator) -> Image:
    """Turn by quarters, and mirror."""
    if steps.turn and rng.random() < steps.turn.p:
        image = np.rot90(image, int(rng.integers(4)), (1, 2))
    if steps.flip and rng.random() < steps.flip.p:
        image = image[:, :, ::-1]
    return np.ascontiguousarray(image)


def place(image: Image, zoom: Zoom | None, shift: Shift | None, rng: np.random.Generator) -> Image:
    """Enlarge about the middle and move, in one resampling."""
    factor, down, right = 1.0, 0, 0
    if zoom and rng.random() < zoom.p:
        factor = float(rng.uniform(zoom.low, zoom.high))
    if shift and rng.random() < shift.p:
        down, right = (int(step) for step in rng.integers(-shift.most, shift.most + 1, 2))
    if (factor, down, right) == (1.0, 0, 0):
        return image
    rows, columns = image.shape[1:]
    centre = (columns - 1) / 2, (rows - 1) / 2
    matrix = np.array(
        [[factor, 0, centre[0] * (1 - factor) + right], [0, factor, centre[1] * (1 - factor) + down]], np.float64
    )
    moved = [cv2.warpAffine(band, matrix, (columns, rows), borderMode=cv2.BORDER_REFLECT_101) for band in image]
    return np.asarray(moved, np.float32)


def contrast(image: Image, step: Contrast, rng: np.random.Generator) -> Image:
    """Stretch all bands alike about their means."""
    means = image.mean(axis=(1, 2), keepdims=True)
    return np.asarray((image - means) * rng.uniform(step.low, step.high) + means, np.float32)
