"""Coarse search for the velocity of a ship or an aircraft: how well the bands agree at each of many velocities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from geoships.motion.chip import Chip, Floats

_STEP = 0.4  # pixels of displacement between the first and the last band
_LEAST = 3.0  # times the noise that a ship has in a band


@dataclass(frozen=True)
class Candidate:
    """A velocity at which the bands agree.

    Attributes:
        velocity: (column, row) in pixels per second.
        agreement: Mean correlation of the other bands with the one whose ship lies in the outline.
        reference: Index of this band.
    """

    velocity: Floats
    agreement: float
    reference: int


class Search:
    """Agreement of the bands at velocities up to some speed.

    Args:
        chip: The chip.
        times: (bands,), seconds.
        fastest: Pixels per second.
    """

    def __init__(self, chip: Chip, times: Floats, fastest: float) -> None:
        span = float(np.ptp(times))
        reach = np.arange(0, fastest + _STEP / span, _STEP / span)
        axis = np.concatenate((-reach[:0:-1], reach))
        column, row = (grid.ravel() for grid in np.meshgrid(axis, axis))
        inside = np.hypot(column, row) <= fastest
        self.velocities: Floats = np.column_stack((column[inside], row[inside]))
        self._chip, self._times = chip, times
        self._scores = {band: self._agreement(band) for band in range(len(times)) if self._strength(band) >= _LEAST}

    def _strength(self, band: int) -> float:
        values = self._chip.signal[band][self._chip.ship]
        return float(np.sqrt(np.sort(values**2)[-max(1, len(values) // 4) :].mean()))

    def _agreement(self, reference: int) -> Floats:
        """Mean correlation of the other bands with the ship of one band, by velocity."""
        ship = self._chip.ship.astype(np.float64)
        template = self._chip.signal[reference] * ship
        energy, count = float((template**2).sum()), float(ship.sum())
        total = np.zeros(len(self.velocities))
        for band, time in enumerate(self._times):
            if band == reference:
                continue
            other = self._chip.signal[band]
            products = signal.fftconvolve(other, template[::-1, ::-1], mode="full")
            energies = signal.fftconvolve(other**2, ship[::-1, ::-1], mode="full")
            scale = np.sqrt((np.maximum(energies, 0) + count) * (energy + count))
            places = (self.velocities * (time - self._times[reference]))[:, ::-1].T
            origin = (np.array(ship.shape) - 1)[:, None]
            total += ndimage.map_coordinates(products / scale, places + origin, order=1, mode="constant")
        return total / (len(self._times) - 1)

    def best(self, slowest: float, fastest: float) -> Candidate | None:
        """The velocity at which the bands agree most, between two speeds in pixels per second."""
        speed = np.hypot(*self.velocities.T)
        allowed = np.flatnonzero((speed >= slowest) & (speed <= fastest))
        found = None
        for band, scores in self._scores.items():
            if allowed.size:
                index = allowed[int(scores[allowed].argmax())]
                if found is None or scores[index] > found.agreement:
                    found = Candidate(self.velocities[index], float(scores[index]), band)
        return found
