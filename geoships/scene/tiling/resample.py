"""Bringing tiles to the pixel size that a model was trained at, and scores back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ratio:
    """Model pixels per scene pixel along one axis, as a fraction `model / scene` of whole pixels.

    Tiles start and end on multiples of `scene` pixels, so that all of them sample the scene at the
    same places, and are multiples of `model` pixels for the network.
    """

    model: int
    scene: int

    def to_model(self, pixels: int) -> int:
        """Model pixels of a whole number of units of scene pixels."""
        return pixels * self.model // self.scene


def ratio(pixel_size: float, gsd: float, gsd_range: tuple[float, float], step: int) -> Ratio:
    """Ratio that brings pixels of `pixel_size` metres to `gsd`, or 1 : 1 within `gsd_range`.

    step: model pixels that the network's deepest level turns into one. The scale is rounded to a
    multiple of 1 / step, off by at most half of that.

    >>> ratio(8.0, gsd=10, gsd_range=(5, 14), step=32), ratio(2.5, gsd=10, gsd_range=(5, 14), step=32)
    (Ratio(model=32, scene=32), Ratio(model=32, scene=128))
    """
    if gsd_range[0] <= pixel_size <= gsd_range[1]:
        return Ratio(step, step)
    return Ratio(step, max(1, round(step * gsd / pixel_size)))


def scale_of(pixel_size: float, gsd: float, gsd_range: tuple[float, float]) -> float:
    """Model pixels per scene pixel of `pixel_size` metres; 1 within `gsd_range`.

    >>> scale_of(8.0, gsd=10, gsd_range=(5, 14)), scale_of(2.5, gsd=10, gsd_range=(5, 14))
    (1.0, 0.25)
    """
    return 1.0 if gsd_range[0] <= pixel_size <= gsd_range[1] else pixel_size / gsd


def resample(band: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (rows, columns) to `shape`: area averages where it shrinks, linear where it grows.

    The area average is the anti-aliasing filter that matches how a coarser sensor sees the ground.
    """
    smaller = (min(band.shape[0], shape[0]), min(band.shape[1], shape[1]))
    return _resize(_resize(band, smaller, cv2.INTER_AREA), shape, cv2.INTER_LINEAR)


def _resize(band: NDArray[np.float32], shape: tuple[int, int], how: int) -> NDArray[np.float32]:
    if band.shape == shape:
        return band
    return np.asarray(cv2.resize(band, (shape[1], shape[0]), interpolation=how), np.float32)


class InvalidFill:
    """Gives pixels without data the values of their nearest valid pixel.

    A network then sees no edge where the data end.

    valid: (rows, columns), with at least one valid pixel.
    """

    def __init__(self, valid: NDArray[np.bool_]) -> None:
        self._invalid = ~valid
        if valid.all():
            return
        _, labels = cv2.distanceTransformWithLabels(
            self._invalid.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros(int(labels.max()) + 1, np.intp)
        nearest[labels[valid]] = np.flatnonzero(valid)
        self._source = nearest[labels[self._invalid]]

    def apply(self, band: NDArray[np.float32]) -> None:
        """Fill one band (rows, columns) in place."""
        if self._invalid.any():
            band[self._invalid] = band.ravel()[self._source]
