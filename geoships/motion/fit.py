"""The velocity at which all bands show the same ship: a joint fit to the pixels of a ship in all bands.

The bands see one picture, each with a brightness of its own, moved by the velocity times its time. Moved back by the
right velocity, the bands are multiples of one picture: their matrix (bands, pixels) has rank one but for noise. The
least sum of squares beyond rank one is at the most likely velocity, and its curvature there gives the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from geoships.motion.chip import Bools, Chip, Floats

_STEP = 0.05  # pixels of displacement, of the finite differences
# Pixels of a ship whose misfit (colours of its own, foam, waves) goes together, so that they tell as much as one. So
# wide intervals hold the true speed of nine in ten rendered ships, see benchmarks/motion.py.
_TOGETHER = 7.0
_FLOOR = 1.0  # noise variance a pixel, added to a band's energy


@dataclass(frozen=True)
class Fit:
    """A velocity and how sure it is.

    Attributes:
        velocity: (column, row) in pixels per second.
        covariance: (2, 2), of the velocity, from noise and misfit.
        agreement: Mean correlation of the bands with each other, moved back by the velocity; 1: all show the same.
        strength: Root mean square of the ship over the noise, of the third brightest band.
        misfit: Sum of squares beyond the model, per degree of freedom; 1: noise alone.
    """

    velocity: Floats
    covariance: Floats
    agreement: float
    strength: float
    misfit: float


class Sampler:
    """The bands of a chip, moved back by a velocity.

    Args:
        chip: The chip.
        times: (bands,), seconds.
        region: (rows, columns), the pixels to compare; None: those of the ship.
        centre: Time at which the region is where the ship is; None: the mean of the bands.
    """

    def __init__(self, chip: Chip, times: Floats, region: Bools | None = None, centre: float | None = None) -> None:
        self._splines = [ndimage.spline_filter(band, 3, mode="mirror") for band in chip.signal]
        self._times = times - (times.mean() if centre is None else centre)
        self._pixels = np.argwhere(chip.ship if region is None else region).T.astype(np.float64)

    @property
    def count(self) -> int:
        """Number of pixels."""
        return int(self._pixels.shape[1])

    def gram(self, velocity: Floats) -> Floats:
        """Products of all pairs of bands, summed over the pixels, (bands, bands)."""
        moved = np.array(
            [
                ndimage.map_coordinates(
                    spline, self._pixels + (velocity[::-1] * time)[:, None], order=3, prefilter=False, mode="mirror"
                )
                for spline, time in zip(self._splines, self._times, strict=True)
            ]
        )
        return np.asarray(moved @ moved.T)

    def misfit(self, velocity: Floats) -> float:
        """Sum of squares beyond rank one."""
        gram = self.gram(velocity)
        return float(np.trace(gram) - np.linalg.eigvalsh(gram)[-1])

    def agreement(self, velocity: Floats) -> float:
        """Mean correlation of all pairs of bands, of which noise takes its share."""
        return mean_correlation(self.gram(velocity), self.count)


def mean_correlation(gram: Floats, count: int) -> float:
    """Mean correlation of all pairs of bands; bands without a signal correlate with none."""
    scale = 1 / np.sqrt(np.diag(gram) + _FLOOR * count)
    correlation = gram * np.outer(scale, scale)
    return float(correlation[np.triu_indices(len(gram), 1)].mean())


def fit_velocity(sampler: Sampler, times: Floats, start: Floats) -> Fit:
    """Fit a velocity.

    Args:
        sampler: The bands.
        times: (bands,), seconds.
        start: (column, row) in pixels per second, from which the fit begins.

    Returns:
        The most likely velocity near `start`.
    """
    span = float(np.ptp(times))
    found = optimize.minimize(
        sampler.misfit, start, method="Nelder-Mead",
        options={"initial_simplex": start + np.array([[0, 0], [0.3, 0], [0, 0.3]]) / span, "xatol": 0.002 / span,
                 "fatol": 1e-3, "maxiter": 200},
    )  # fmt: skip
    velocity = np.asarray(found.x, np.float64)
    gram = sampler.gram(velocity)
    freedom = max((len(times) - 1) * sampler.count - 2, 1)
    misfit = max(float(found.fun) / freedom, 1.0)
    strengths = np.sort(np.sqrt(np.diag(gram) / sampler.count))
    return Fit(
        velocity, _covariance(sampler.misfit, velocity, _STEP / span) * misfit * _TOGETHER,
        mean_correlation(gram, sampler.count), float(strengths[-min(3, len(strengths))]), misfit,
    )  # fmt: skip


def _covariance(misfit: object, at: Floats, step: float) -> Floats:
    """Twice the inverse of the second derivatives, (2, 2); infinite where there is no minimum."""
    assert callable(misfit)
    x, y = np.eye(2) * step
    middle = misfit(at)
    xx = (misfit(at + x) - 2 * middle + misfit(at - x)) / step**2
    yy = (misfit(at + y) - 2 * middle + misfit(at - y)) / step**2
    xy = (misfit(at + x + y) - misfit(at + x - y) - misfit(at - x + y) + misfit(at - x - y)) / (4 * step**2)
    curvature: NDArray[np.float64] = np.array([[xx, xy], [xy, yy]])
    if not (np.isfinite(curvature).all() and np.linalg.eigvalsh(curvature)[0] > 0):
        return np.full((2, 2), np.inf)
    return np.asarray(2 * np.linalg.inv(curvature))
