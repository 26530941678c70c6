"""Another day and another sensor: random changes of crops, each with settings of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from geoships.config.augment import BandDropout, Blur, Gain, Gamma, Haze, Noise, Offset
from geoships.config.verification import VerifierAugment

Image = NDArray[np.float32]

# How much of the haze in blue reaches a band: about the wavelength to the power -1.3 from 0.49 um on, as haze
# between clear sky (-4) and cloud (0) scatters.
HAZE = {
    "coastal": 1.1,
    "blue": 1.0,
    "green": 0.85,
    "red": 0.68,
    "nir": 0.5,
    "nir08": 0.48,
    "swir16": 0.2,
    "swir22": 0.14,
}
OTHER_HAZE = 0.5


@dataclass(frozen=True)
class Recipe:
    """What the network is given: a function of reflectance, scaled by band; absent bands become 0.

    bands: STAC common names. transform: ``none`` or ``sqrt``. mean, std: for each band, after the transform.
    """

    bands: tuple[str, ...]
    transform: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, image: Image) -> Image:
        """Normalise (bands, rows, columns) of reflectance; NaN, which marks absent bands, becomes 0."""
        if self.transform == "sqrt":
            image = np.sqrt(np.clip(image, 0, 1))
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        return np.asarray(np.nan_to_num((image - mean) / std, nan=0.0), np.float32)


def vary(image: Image, steps: VerifierAugment, bands: Sequence[str], rng: np.random.Generator) -> Image:
    """Change the radiometry of a crop (bands, rows, columns) by the steps that are on, in their order."""
    if steps.gain and rng.random() < steps.gain.p:
        image = gain(image, steps.gain, rng)
    if steps.haze and rng.random() < steps.haze.p:
        image = haze(image, steps.haze, bands, rng)
    if steps.offset and rng.random() < steps.offset.p:
        image = offset(image, steps.offset, rng)
    if steps.blur and rng.random() < steps.blur.p:
        image = blur(image, steps.blur, rng)
    if steps.noise and rng.random() < steps.noise.p:
        image = noise(image, steps.noise, rng)
    if steps.gamma and rng.random() < steps.gamma.p:
        image = gamma(image, steps.gamma, rng)
    if steps.band_dropout and rng.random() < steps.band_dropout.p:
        image = drop_bands(image, steps.band_dropout, bands, rng)
    return image


def gain(image: Image, step: Gain, rng: np.random.Generator) -> Image:
    """Another illumination."""
    factors = rng.uniform(step.low, step.high) * rng.uniform(1 - step.band, 1 + step.band, (len(image), 1, 1))
    return (image * factors).astype(np.float32)


def haze(image: Image, step: Haze, bands: Sequence[str], rng: np.random.Generator) -> Image:
    """Mix in white, more of it at short wavelengths: image * (1 - h) + h."""
    depth = rng.uniform(0, step.most) * np.array([HAZE.get(band, OTHER_HAZE) for band in bands])[:, None, None]
    return (image * (1 - depth) + depth).astype(np.float32)


def offset(image: Image, step: Offset, rng: np.random.Generator) -> Image:
    """Add one value to all bands, as a wrong atmospheric correction does."""
    return (image + rng.uniform(step.low, step.high)).astype(np.float32)


def blur(image: Image, step: Blur, rng: np.random.Generator) -> Image:
    """Blur all bands alike."""
    sigma = rng.uniform(step.low, step.high)
    return np.stack([cv2.GaussianBlur(band, (0, 0), sigma) for band in image])


def noise(image: Image, step: Noise, rng: np.random.Generator) -> Image:
    """Add independent Gaussian noise to every value."""
    strength = rng.uniform(0, step.most)
    return (image + strength * rng.standard_normal(image.shape, np.float32)).astype(np.float32)


def gamma(image: Image, step: Gamma, rng: np.random.Generator) -> Image:
    """Bend the scale of brightness: reflectance to a power, which keeps 0 and 1."""
    return np.clip(image, 0, 1).astype(np.float32) ** np.float32(rng.uniform(step.low, step.high))


def drop_bands(image: Image, step: BandDropout, bands: Sequence[str], rng: np.random.Generator) -> Image:
    """Mark bands as absent (NaN); one band at least stays."""
    present = np.array([bool(np.isfinite(band[0, 0])) for band in image])
    if step.subsets and rng.random() < step.subset_share:
        subset = step.subsets[rng.integers(len(step.subsets))]
        lost = present & ~np.isin(bands, subset)
    else:
        free = np.flatnonzero(present & ~np.isin(bands, step.keep))
        count = min(int(rng.integers(1, step.most + 1)), len(free), int(present.sum()) - 1)
        lost = np.isin(np.arange(len(bands)), rng.permutation(free)[:count])
    if lost.sum() == present.sum():
        return image
    image = image.copy()
    image[lost] = np.nan
    return image
