"""Resampling of tiles to the GSD of a model, and of scores back to the scene's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ratio:
    """Model pixels per scene pixel along one axis, as a fraction `model / scene` of whole pixels.

    Tiles start and end on multiples of `scene` pixels, so that all tiles are resampled on the same grid, and their
    size in model pixels is a multiple of `model`, as the network needs.

    Attributes:
        model: Model pixels, the numerator.
        scene: Scene pixels, the denominator.
    """

    model: int
    scene: int

    def to_model(self, pixels: int) -> int:
        """Convert a number of scene pixels, which is a multiple of `scene`, to model pixels."""
        return pixels * self.model // self.scene


def ratio(pixel_size: float, gsd: float, gsd_range: tuple[float, float], step: int) -> Ratio:
    """Choose the ratio that resamples a scene to the GSD of a model; 1 : 1 within the model's GSD range.

    Args:
        pixel_size: Pixel size of the scene in metres.
        gsd: GSD of the model in metres.
        gsd_range: Minimum and maximum pixel size that the model takes without resampling, in metres.
        step: Total stride of the network in model pixels. Scene pixels per model pixel are rounded to a multiple of
            1 / step, so they are off by at most half of that.

    Returns:
        Model pixels per scene pixel.

    >>> ratio(8.0, gsd=10, gsd_range=(5, 14), step=32), ratio(2.5, gsd=10, gsd_range=(5, 14), step=32)
    (Ratio(model=32, scene=32), Ratio(model=32, scene=128))
    """
    if gsd_range[0] <= pixel_size <= gsd_range[1]:
        return Ratio(step, step)
    return Ratio(step, max(1, round(step * gsd / pixel_size)))


def scale_of(pixel_size: float, gsd: float, gsd_range: tuple[float, float]) -> float:
    """Model pixels per scene pixel, as a float; 1 within the model's GSD range.

    Args:
        pixel_size: Pixel size of the scene in metres.
        gsd: GSD of the model in metres.
        gsd_range: Minimum and maximum pixel size that the model takes without resampling, in metres.

    Returns:
        pixel_size / gsd, or 1.

    >>> scale_of(8.0, gsd=10, gsd_range=(5, 14)), scale_of(2.5, gsd=10, gsd_range=(5, 14))
    (1.0, 0.25)
    """
    return 1.0 if gsd_range[0] <= pixel_size <= gsd_range[1] else pixel_size / gsd


def resample(band: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample an image: area averages along axes that shrink, linear interpolation along axes that grow.

    The area average is the anti-aliasing filter that is closest to a sensor with larger pixels.

    Args:
        band: Image, shape (rows, columns).
        shape: (rows, columns) of the result.

    Returns:
        Image of this shape, float32; the input itself if it has this shape already.
    """
    smaller = (min(band.shape[0], shape[0]), min(band.shape[1], shape[1]))
    return _resize(_resize(band, smaller, cv2.INTER_AREA), shape, cv2.INTER_LINEAR)


def _resize(band: NDArray[np.float32], shape: tuple[int, int], interpolation: int) -> NDArray[np.float32]:
    if band.shape == shape:
        return band
    return np.asarray(cv2.resize(band, (shape[1], shape[0]), interpolation=interpolation), np.float32)


class InvalidFill:
    """Fills pixels without data with the value of the nearest valid pixel.

    Otherwise a network would see an edge at the border of the data.

    Args:
        valid: Validity, shape (rows, columns), with at least one valid pixel.
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
        """Fill one band, shape (rows, columns), in place."""
        if self._invalid.any():
            band[self._invalid] = band.ravel()[self._source]
