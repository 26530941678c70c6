"""Renders scenes of moving ships as Sentinel-2 sees them: each band a moment later.

A ship is rendered ten times finer than the pixels, with a hull of blocks that have colours of their own, and a wake
whose outline goes with the ship while its foam stays where it is. Each band is blurred and sampled at its own time and
with its own misregistration. The sea has waves that travel by the dispersion of deep water, and each band has noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

BANDS = ("blue", "green", "red", "nir")
TIMES = np.array([0.0, 0.515, 0.99, 0.257])  # seconds, of an odd detector, as the angles of products tell
PIXEL = 10.0  # metres
FINE = 6  # parts of a pixel's side
BLUR = 0.53  # pixels (standard deviation): a modulation transfer of 0.25 at half a cycle per pixel
NOISE = np.array([0.0006, 0.0006, 0.0006, 0.0007])  # reflectance: signal to noise of 150 to 170 at the reference
MISREGISTRATION = 0.06  # pixels, each axis and band: within 0.3 pixels between two bands in 99.7 % of all cases
SEA = np.array([0.065, 0.045, 0.030, 0.018])
PAINTS = {
    "white": (0.30, 0.31, 0.32, 0.33),
    "red": (0.06, 0.06, 0.20, 0.25),
    "blue": (0.16, 0.12, 0.08, 0.10),
    "grey": (0.14, 0.14, 0.14, 0.15),
    "rust": (0.07, 0.08, 0.13, 0.18),
    "green": (0.08, 0.13, 0.09, 0.20),
}
FOAM = np.array([0.06, 0.06, 0.055, 0.045])


@dataclass(frozen=True)
class Craft:
    """One thing that moves.

    Attributes:
        length: Metres.
        width: Metres.
        heading: Degrees clockwise from north.
        speed: Metres per second.
        wake: Length of its wake in lengths of the ship; 0: none.
        aircraft: Whether it is an aircraft: a cross, without a wake.
    """

    length: float
    width: float
    heading: float
    speed: float
    wake: float = 0.0
    aircraft: bool = False


@dataclass
class Rendered:
    """A rendered scene.

    Attributes:
        values: (bands, rows, columns), reflectance.
        outlines: Outline of each craft in pixels (column, row), as a detector would draw it.
        crafts: What was rendered.
    """

    values: Floats
    outlines: list[shapely.Polygon] = field(default_factory=list)
    crafts: list[Craft] = field(default_factory=list)


def sea(
    rng: np.random.Generator, shape: tuple[int, int], times: Sequence[float], waves: float, wavelength: float = 60.0
) -> Floats:
    """Sea of some bands with travelling waves, (bands, rows, columns).

    Args:
        rng: Random numbers.
        shape: Rows and columns.
        times: Seconds of each band.
        waves: Standard deviation of the waves' reflectance.
        wavelength: Metres of the longest waves.
    """
    rows, columns = shape
    ky, kx = np.meshgrid(np.fft.fftfreq(rows, PIXEL), np.fft.fftfreq(columns, PIXEL), indexing="ij")
    k = np.hypot(kx, ky) * 2 * np.pi
    k[0, 0] = np.inf
    longest = 2 * np.pi / wavelength
    towards = rng.uniform(0, 2 * np.pi)
    along = np.cos(np.arctan2(ky, kx) - towards)
    spectrum = np.where(along > 0, along**2, 0) * k**-3.5 * np.exp(-1.25 * (longest / k) ** 4)
    spectrum[0, 0] = 0
    amplitude = np.sqrt(spectrum) * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    k[0, 0] = 0
    fields = np.array([np.fft.ifft2(amplitude * np.exp(-1j * np.sqrt(9.81 * k) * time)).real for time in times])
    return fields / fields[0].std() * waves


def render(
    rng: np.random.Generator,
    crafts: Sequence[Craft],
    *,
    times: Floats = TIMES,
    spacing: int = 96,
    waves: float = 0.003,
    misregistration: float = MISREGISTRATION,
    background: Floats | None = None,
) -> Rendered:
    """Render crafts in a row, `spacing` pixels apart.

    Args:
        rng: Random numbers.
        crafts: What is rendered.
        times: Seconds of each band.
        spacing: Pixels between two of them.
        waves: Standard deviation of the waves' reflectance.
        misregistration: Pixels by which each band is off, along each axis (standard deviation).
        background: Real sea, (bands, rows, columns), to use in place of a rendered one.
    """
    shape = (spacing, spacing * len(crafts))
    if background is None:
        values = (
            SEA[:, None, None] + sea(rng, shape, times, waves) + rng.normal(size=(4, *shape)) * NOISE[:, None, None]
        )
    else:
        values = background[:, : shape[0], : shape[1]].copy()
    scene = Rendered(values)
    for number, craft in enumerate(crafts):
        off = rng.normal(0, misregistration, (len(times), 2))
        part = slice(number * spacing, (number + 1) * spacing)
        centre = rng.uniform(-0.5, 0.5, 2) + spacing / 2
        if craft.aircraft:
            cover, colour = _aircraft(craft, centre, spacing, times, off)
        else:
            cover, colour = _ship(rng, craft, centre, spacing, times, off)
        values[:, :, part] = values[:, :, part] * (1 - cover) + colour
        scene.outlines.append(shapely.affinity.translate(outline(rng, craft, centre, times), number * spacing, 0))
        scene.crafts.append(craft)
    return scene


def outline(rng: np.random.Generator, craft: Craft, centre: Floats, times: Floats) -> shapely.Polygon:
    """Outline of a craft at the mean time of the bands, a little wider than the hull and not quite straight."""
    middle = centre + _way(craft) * (times.mean() if not craft.aircraft else times[0])
    box = shapely.box(-craft.width / 2, -craft.length / 2, craft.width / 2, craft.length / 2)
    box = shapely.buffer(box, 4.0, join_style="mitre")
    box = shapely.affinity.rotate(box, -craft.heading + rng.normal(0, 3), origin=(0, 0))
    return shapely.transform(box, lambda xy: np.column_stack((xy[:, 0], -xy[:, 1])) / PIXEL + middle)


def _way(craft: Craft) -> Floats:
    """Pixels per second, (column, row)."""
    angle = np.radians(craft.heading)
    return np.array([np.sin(angle), -np.cos(angle)]) * craft.speed / PIXEL


def _grid(size: int, centre: Floats, heading: float) -> tuple[Floats, Floats]:
    """Metres ahead of and to the right of a craft's middle, of each fine pixel of a square."""
    fine = (np.arange(size * FINE) + 0.5) / FINE
    column, row = np.meshgrid(fine, fine)
    east, north = (column - centre[0]) * PIXEL, -(row - centre[1]) * PIXEL
    angle = np.radians(heading)
    return east * np.sin(angle) + north * np.cos(angle), east * np.cos(angle) - north * np.sin(angle)


def _sampled(fine: Floats, size: int) -> Floats:
    """A fine picture as the sensor samples it."""
    blurred = ndimage.gaussian_filter(fine, BLUR * FINE, mode="nearest")
    return np.asarray(blurred.reshape(size, FINE, size, FINE).mean(axis=(1, 3)))


def _ship(
    rng: np.random.Generator, craft: Craft, centre: Floats, size: int, times: Floats, off: Floats
) -> tuple[Floats, Floats]:
    paints = [np.array(PAINTS[name]) for name in rng.choice(list(PAINTS), 6)]
    blocks = np.sort(rng.uniform(-0.5, 0.5, 4)) * craft.length
    bridge = -0.5 * craft.length + np.array([0.06, 0.18]) * craft.length
    foam = ndimage.gaussian_filter(rng.normal(size=(size * FINE, size * FINE)), 8)
    foam = np.clip(1 + 0.5 * foam / foam.std(), 0, None)
    strength = rng.uniform(0.3, 1.0) * min(1.0, craft.speed / 8)
    covers, colours = [], []
    for band, time in enumerate(times):
        ahead, right = _grid(size, centre + _way(craft) * time + off[band], craft.heading)
        taper = np.clip((craft.length / 2 - ahead) / (0.2 * craft.length), 0, 1) ** 0.7
        hull = (np.abs(ahead) < craft.length / 2) & (np.abs(right) < craft.width / 2 * np.maximum(taper, 0.05))
        paint = np.array([each[band] for each in paints])[np.searchsorted(blocks, ahead)]
        paint = np.where((ahead > bridge[0]) & (ahead < bridge[1]), PAINTS["white"][band], paint)
        behind = -craft.length / 2 - ahead
        spread = craft.width * (0.5 + 0.25 * np.clip(behind / craft.length, 0, 4))
        trail = (behind > 0) * np.exp(-np.clip(behind, 0, None) / max(craft.wake * craft.length / 2, 1.0))
        trail = trail * np.exp(-0.5 * (right / np.maximum(spread, 1)) ** 4) * (craft.wake > 0)
        wake = np.where(hull, 0, trail * strength * FOAM[band]) * foam
        covers.append(_sampled(hull.astype(float), size))
        colours.append(_sampled(np.where(hull, paint, 0) + wake, size))
    return np.array(covers), np.array(colours)


def _aircraft(craft: Craft, centre: Floats, size: int, times: Floats, off: Floats) -> tuple[Floats, Floats]:
    covers, colours = [], []
    for band, time in enumerate(times):
        ahead, right = _grid(size, centre + _way(craft) * time + off[band], craft.heading)
        body = (np.abs(ahead) < craft.length / 2) & (np.abs(right) < craft.width / 2)
        wings = (np.abs(ahead + 0.3 * np.abs(right)) < craft.length / 10) & (np.abs(right) < craft.length / 2)
        shape = body | wings
        covers.append(_sampled(shape.astype(float), size))
        colours.append(_sampled(np.where(shape, PAINTS["white"][band] * 1.3, 0), size))
    return np.array(covers), np.array(colours)
