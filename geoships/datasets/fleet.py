"""Places ships on synthetic water and draws them with their wakes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from shapely import MultiPoint, Polygon

from geoships.datasets.coast import FOAM, Coast, Plane, fill, noise, smoothstep

GSD = 10.0  # metres
GAP = 4.5  # minimum distance in pixels between a ship and anything else
SUBPIXELS = 8  # per side of a pixel, for antialiasing

# Approximate reflectance in blue, green, red, nir and swir16.
PAINTS = {
    "red": (0.06, 0.07, 0.16, 0.20, 0.18),
    "brown": (0.08, 0.10, 0.15, 0.19, 0.18),
    "green": (0.07, 0.11, 0.09, 0.15, 0.15),
    "grey": (0.13, 0.15, 0.16, 0.18, 0.16),
    "blue": (0.17, 0.14, 0.11, 0.19, 0.17),
    "orange": (0.08, 0.12, 0.26, 0.30, 0.24),
    "cream": (0.20, 0.24, 0.26, 0.29, 0.22),
    "pale": (0.22, 0.24, 0.25, 0.27, 0.20),
    "white": (0.33, 0.35, 0.36, 0.37, 0.26),
    "dark": (0.05, 0.06, 0.07, 0.09, 0.10),
}
_TANKERS = ("red", "brown", "green", "red", "grey")
_BULKERS = ("brown", "red", "grey", "green")
_FREIGHTERS = ("green", "blue", "grey", "brown", "orange", "red")
_BOXES = ("red", "blue", "cream", "brown", "green", "white", "orange", "grey")

_OUTLINE = np.array(
    [
        (-0.5, -0.4),
        (-0.47, -0.5),
        (0.34, -0.5),
        (0.44, -0.32),
        (0.5, 0),
        (0.44, 0.32),
        (0.34, 0.5),
        (-0.47, 0.5),
        (-0.5, 0.4),
    ]
)


@dataclass(frozen=True)
class Ship:
    """A ship.

    Attributes:
        column: Column of its centre in pixel coordinates.
        row: Row of its centre.
        heading: Radians clockwise from east.
        length: Pixels.
        beam: Pixels.
        wake: Length of the white water behind its stern in pixels; 0 at rest.
    """

    column: float
    row: float
    heading: float
    length: float
    beam: float
    wake: float = 0.0

    def to_pixels(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return the pixel coordinates (n, 2) of positions in units of its length ahead and its beam to starboard."""
        ahead, aside = (np.asarray(positions, np.float64) * (self.length, self.beam)).T
        c, s = np.cos(self.heading), np.sin(self.heading)
        return np.stack([self.column + ahead * c - aside * s, self.row + ahead * s + aside * c], 1)

    @property
    def hull(self) -> Polygon:
        """Outline at deck level in pixel coordinates."""
        return Polygon(self.to_pixels(_OUTLINE))

    @property
    def footprint(self) -> Polygon:
        """Convex hull of the ship and its wake in pixel coordinates."""
        behind = -0.5 - self.wake / self.length
        water = [*_OUTLINE, (behind, -3), (behind, 3)] if self.wake else _OUTLINE
        return Polygon(MultiPoint(self.to_pixels(water)).convex_hull.boundary.coords)


def place_fleet(rng: np.random.Generator, coast: Coast, free: NDArray[np.bool_], count: int) -> tuple[Ship, ...]:
    """Place ships at anchor, under way and in the basins, each at least GAP pixels from anything else.

    Args:
        rng: Random generator.
        coast: The coast.
        free: (size, size), True where ships are allowed (valid, no cloud).
        count: Number of ships.

    Returns:
        At most `count` ships, fewer where the water is full.
    """
    water = free & (coast.land == 0)
    shore = cv2.distanceTransform((coast.land == 0).astype(np.uint8), cv2.DIST_L2, 5)
    anchorage, basins = np.flatnonzero((shore > 14) & water & ~coast.basins), np.flatnonzero(coast.basins & water)
    free_pixels = np.ascontiguousarray(water, np.uint8)
    free_pixels[[0, -1]], free_pixels[:, [0, -1]] = 0, 0
    wind = rng.uniform(-np.pi, np.pi)
    fleet: list[Ship] = []
    for index in range(count):
        moored, moving = index % 4 == 1, index % 4 == 3
        candidates = basins if moored else anchorage
        if not candidates.size:
            continue
        heading = coast.port.angle if moored else wind
        spread = 0.04 if moored else np.pi if moving else 0.2
        ship = _try_places(rng, free_pixels, candidates, heading, spread, moving)
        if ship is not None:
            fleet.append(ship)
            fill(free_pixels, _buffered_footprint(ship, GAP), 0, cv2.LINE_8)
    return tuple(fleet)


def _try_places(
    rng: np.random.Generator,
    free_pixels: NDArray[np.uint8],
    candidates: NDArray[np.intp],
    heading: float,
    spread: float,
    moving: bool,
) -> Ship | None:
    """Place a ship of random length on one of the candidate pixels; None where 80 trials fail."""
    size = len(free_pixels)
    length = min(float(np.clip(rng.lognormal(np.log(160), 0.5), 60, 350)), 1.3 * size) / GSD
    for _ in range(80):
        row, column = divmod(int(candidates[rng.integers(candidates.size)]), size)
        turn = heading + rng.uniform(-spread, spread) + np.pi * rng.integers(2) * (spread < 0.1)
        wake = rng.uniform(1.5, 5) * length if moving else 0.0
        ship = Ship(column + rng.uniform(), row + rng.uniform(), turn, length, length / rng.uniform(5.5, 7), wake)
        if _fits(free_pixels, ship):
            return ship
    return None


def _buffered_footprint(ship: Ship, gap: float) -> NDArray[np.float64]:
    return np.asarray(ship.footprint.buffer(gap, quad_segs=2).exterior.coords)


def _fits(free_pixels: NDArray[np.uint8], ship: Ship) -> bool:
    """Return whether the ship, its wake and the gap around them are on free pixels."""
    boundary = _buffered_footprint(ship, GAP)
    low, high = np.floor(boundary.min(0)).astype(int), np.ceil(boundary.max(0)).astype(int)
    if (low < 0).any() or (high >= len(free_pixels)).any():
        return False
    needed = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), np.uint8)
    fill(needed, boundary - low, 1, cv2.LINE_8)
    return bool((free_pixels[low[1] : high[1] + 1, low[0] : high[0] + 1] >= needed).all())


def draw_ship(rng: np.random.Generator, reflectance: Plane, ship: Ship) -> None:
    """Draw a ship and its wake into a scene in place; hull edges are antialiased.

    Args:
        rng: Random generator.
        reflectance: (5, rows, columns).
        ship: The ship.
    """
    if ship.wake:
        _draw_wake(rng, reflectance, ship)
    corners = np.asarray(ship.hull.exterior.coords)
    low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 1
    width, height = (int(v) for v in high - low)
    deck = np.zeros((height * SUBPIXELS, width * SUBPIXELS), np.uint8)
    spectra = np.zeros((len(PAINTS) + 1, 6), np.float32)
    spectra[1:, :5] = np.array(list(PAINTS.values())) * rng.uniform(0.85, 1.15, (len(PAINTS), 1))
    spectra[1:, 5] = 1
    index = {name: number for number, name in enumerate(PAINTS, start=1)}
    for corners, paint in _paint_plan(rng, ship):
        fill(deck, (ship.to_pixels(corners) - low) * SUBPIXELS, index[paint], cv2.LINE_8)
    hull = np.zeros_like(deck)
    fill(hull, (ship.to_pixels(_OUTLINE) - low) * SUBPIXELS, 1, cv2.LINE_8)
    painted = cv2.resize(spectra[deck * hull], (width, height), interpolation=cv2.INTER_AREA)
    painted = np.moveaxis(painted, 2, 0)
    painted[:5] *= 1 + 0.06 * rng.standard_normal((height, width), np.float32)
    view = reflectance[:, low[1] : high[1], low[0] : high[0]]
    view[:] = view * (1 - painted[5]) + painted[:5]


PaintedShape = tuple[NDArray[np.float64], str]


def _block(start: float, end: float, left: float, right: float) -> NDArray[np.float64]:
    return np.array([(start, left), (end, left), (end, right), (start, right)])


def _paint_plan(rng: np.random.Generator, ship: Ship) -> list[PaintedShape]:
    """Return the painted shapes of a ship from bottom to top, in units of its length and beam."""
    metres = ship.length * GSD
    types = [_coaster, _coaster, _passenger] if metres < 110 else [_tanker, _bulker, _boxship, _passenger]
    return types[rng.integers(len(types))](rng)


def _bridge(start: float, end: float) -> list[PaintedShape]:
    """Return a white superstructure with a dark funnel behind it."""
    return [(_block(start, end, -0.46, 0.46), "white"), (_block(start - 0.025, start, -0.12, 0.12), "dark")]


def _tanker(rng: np.random.Generator) -> list[PaintedShape]:
    deck = str(rng.choice(_TANKERS))
    pipes = [(_block(-0.28, 0.38, -0.05, 0.05), "cream"), (_block(0.02, 0.05, -0.4, 0.4), "cream")]
    return [(_OUTLINE, deck), *pipes, *_bridge(-0.44, -0.33)]


def _bulker(rng: np.random.Generator) -> list[PaintedShape]:
    deck, hatch = str(rng.choice(_BULKERS)), str(rng.choice(_BULKERS))
    starts = np.linspace(-0.28, 0.32, 7)
    return [(_OUTLINE, deck), *((_block(s, s + 0.06, -0.3, 0.3), hatch) for s in starts), *_bridge(-0.45, -0.34)]


def _boxship(rng: np.random.Generator) -> list[PaintedShape]:
    boxes = [
        (_block(s, s + 0.045, a, a + 0.22), str(rng.choice(_BOXES)))
        for s in np.arange(-0.47, 0.36, 0.05)
        for a in (-0.46, -0.22, 0.02, 0.26)
    ]
    return [(_OUTLINE, "brown"), *boxes, *_bridge(-0.3, -0.23)]


def _passenger(rng: np.random.Generator) -> list[PaintedShape]:
    top = str(rng.choice(("cream", "grey", "blue", "green")))
    return [
        (_OUTLINE, "pale"),
        (_block(0.15, 0.33, -0.4, 0.4), "white"),
        (_block(-0.3, 0.12, -0.3, 0.3), top),
        (_block(-0.2, -0.14, -0.1, 0.1), "dark"),
    ]


def _coaster(rng: np.random.Generator) -> list[PaintedShape]:
    deck, hatch = str(rng.choice(_FREIGHTERS)), str(rng.choice(("cream", "grey", "orange", "green")))
    return [(_OUTLINE, deck), (_block(-0.2, 0.33, -0.32, 0.32), hatch), *_bridge(-0.45, -0.27)]


def _draw_wake(rng: np.random.Generator, reflectance: Plane, ship: Ship) -> None:
    """Draw white water that fades and widens behind the stern, and the faint arms of the bow wave."""
    size = reflectance.shape[1]
    corners = np.asarray(ship.footprint.bounds).reshape(2, 2)
    low, high = np.maximum(np.floor(corners[0]).astype(int), 0), np.minimum(np.ceil(corners[1]).astype(int), size)
    column, row = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    c, s = np.cos(ship.heading), np.sin(ship.heading)
    x, y = column - ship.column, row - ship.row
    behind, aside = -(x * c + y * s) - 0.46 * ship.length, np.abs(y * c - x * s)
    width = 0.38 * ship.beam + 0.035 * np.maximum(behind, 0)
    fade = (
        smoothstep(behind, -1, 1)
        * np.exp(-np.maximum(behind, 0) / (0.25 * ship.wake))
        * smoothstep(-behind, -ship.wake, 0)
    )
    trail = rng.uniform(0.04, 0.08) * fade * np.exp(-((aside / width) ** 2))
    ahead = behind + 0.9 * ship.length
    arms = np.exp(-(((aside - 0.3 * ship.beam - 0.17 * ahead) / 0.9) ** 2)) * smoothstep(ahead, 0, 4)
    arms *= 0.012 * np.exp(-np.maximum(ahead, 0) / (0.5 * ship.wake + 0.3 * ship.length))
    flecks = 1 + 0.15 * noise(rng, max(column.shape), 2)[: column.shape[0], : column.shape[1]]
    view = reflectance[:, low[1] : high[1], low[0] : high[0]]
    view += FOAM[:, None, None] * ((trail + arms) * flecks).astype(np.float32)
