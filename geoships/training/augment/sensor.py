"""Another day and another sensor: random changes of the radiometry of crops, as tensors on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from geoships.config.augment import Augment, BandDropout
from geoships.training.augment.radiometry import HAZE, OTHER_HAZE, Recipe

REACH = 3  # pixels from a blurred pixel to the farthest that it takes in


@dataclass(frozen=True)
class SensorChange:
    """What happens to the radiometry of one crop: ``image * factor + summand``, blur, noise, gamma, lost bands.

    Attributes:
        factor: (bands,) float32: gain and what haze leaves of it.
        summand: (bands,) float32: haze and offset.
        blur: Standard deviation in pixels; 0: none.
        noise: Standard deviation of reflectance; 0: none.
        noise_seed: Seed of the noise.
        gamma: Power that reflectance is raised to; 1: none.
        present: (bands,) bool: bands that the network sees.
    """

    factor: NDArray[np.float32]
    summand: NDArray[np.float32]
    blur: float
    noise: float
    noise_seed: int
    gamma: float
    present: NDArray[np.bool_]


def draw_change(
    steps: Augment, bands: Sequence[str], present: Sequence[bool], rng: np.random.Generator
) -> SensorChange:
    """Draw the steps that are on, each by its chance.

    Args:
        steps: Settings of the steps.
        bands: Common names of the model's bands.
        present: Whether the scene has each of them.
        rng: Source of random numbers.
    """
    count = len(bands)
    factor, summand = np.ones(count), np.zeros(count)
    if steps.gain and rng.random() < steps.gain.p:
        band = steps.gain.band
        factor *= rng.uniform(steps.gain.low, steps.gain.high) * rng.uniform(1 - band, 1 + band, count)
    if steps.haze and rng.random() < steps.haze.p:
        depth = rng.uniform(0, steps.haze.most) * np.array([HAZE.get(band, OTHER_HAZE) for band in bands])
        factor, summand = factor * (1 - depth), depth
    if steps.offset and rng.random() < steps.offset.p:
        summand = summand + rng.uniform(steps.offset.low, steps.offset.high)
    blur, noise, gamma = 0.0, 0.0, 1.0
    if steps.blur and rng.random() < steps.blur.p:
        blur = float(rng.uniform(steps.blur.low, steps.blur.high))
    if steps.noise and rng.random() < steps.noise.p:
        noise = float(rng.uniform(0, steps.noise.most))
    if steps.gamma and rng.random() < steps.gamma.p:
        gamma = float(rng.uniform(steps.gamma.low, steps.gamma.high))
    kept = np.array(present, np.bool_)
    if steps.band_dropout and rng.random() < steps.band_dropout.p:
        kept = drop_bands(kept, steps.band_dropout, bands, rng)
    seed = int(rng.integers(2**62))
    return SensorChange(factor.astype(np.float32), summand.astype(np.float32), blur, noise, seed, gamma, kept)


def drop_bands(
    present: NDArray[np.bool_], step: BandDropout, bands: Sequence[str], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """The bands that are left, (bands,) bool; at least one of those that were present is."""
    if step.subsets and rng.random() < step.subset_share:
        subset = step.subsets[int(rng.integers(len(step.subsets)))]
        kept = present & np.isin(bands, subset)
    else:
        free = np.flatnonzero(present & ~np.isin(bands, step.keep))
        count = min(int(rng.integers(1, step.most + 1)), len(free), int(present.sum()) - 1)
        kept = present & ~np.isin(np.arange(len(bands)), rng.permutation(free)[:count])
    return kept if kept.any() else present


def apply_changes(images: torch.Tensor, changes: Sequence[SensorChange], recipe: Recipe) -> torch.Tensor:
    """Change the radiometry of crops and normalise them.

    Args:
        images: (crops, bands, rows, columns) float32, reflectance; overwritten.
        changes: One per crop.
        recipe: Normalisation.

    Returns:
        (crops, bands, rows, columns) float32, normalised, 0 in bands that are absent.
    """
    factor, summand, present = (
        torch.from_numpy(np.stack(values))[:, :, None, None].to(images.device)
        for values in zip(*((change.factor, change.summand, change.present) for change in changes), strict=True)
    )
    images.mul_(factor).add_(summand)
    for image, change in zip(images, changes, strict=True):
        if change.blur:
            image.copy_(_blurred(image, change.blur))
        if change.noise:
            source = torch.Generator(images.device).manual_seed(change.noise_seed)
            image.add_(torch.randn(image.shape, generator=source, device=images.device), alpha=change.noise)
        if change.gamma != 1:
            image.clamp_(0, 1).pow_(change.gamma)
    return normalise(images, recipe) * present


def normalise(images: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Normalise reflectance (..., bands, rows, columns)."""
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (recipe.mean, recipe.std))
    if recipe.transform == "sqrt":
        images = images.clamp(0, 1).sqrt()
    return (images - mean) / std


def _blurred(image: torch.Tensor, deviation: float) -> torch.Tensor:
    """A Gaussian blur of (bands, rows, columns), the same for all bands; mirrored at the edges."""
    steps = torch.arange(-REACH, REACH + 1, device=image.device)
    kernel = torch.exp(-0.5 * (steps / deviation) ** 2)
    kernel /= kernel.sum()
    padded = functional.pad(image[:, None], (REACH,) * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))[:, 0]
