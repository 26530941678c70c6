"""Renders a synthetic coast with a port as reflectance: land, sea, quays, piers and breakwaters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Plane = NDArray[np.float32]

# Approximate reflectance of surfaces in blue, green, red, nir and swir16.
SURFACES = {
    "asphalt": (0.09, 0.11, 0.12, 0.16, 0.18),
    "concrete": (0.14, 0.16, 0.17, 0.20, 0.22),
    "coal": (0.05, 0.06, 0.06, 0.08, 0.09),
    "rock": (0.14, 0.16, 0.17, 0.19, 0.20),
    "sand": (0.20, 0.26, 0.31, 0.36, 0.40),
    "soil": (0.08, 0.11, 0.14, 0.23, 0.30),
    "fallow": (0.07, 0.11, 0.12, 0.28, 0.28),
    "grass": (0.04, 0.08, 0.07, 0.30, 0.20),
    "crop": (0.03, 0.07, 0.04, 0.42, 0.18),
    "ripe crop": (0.06, 0.10, 0.11, 0.29, 0.25),
    "forest": (0.02, 0.045, 0.025, 0.30, 0.12),
    "tiles": (0.08, 0.11, 0.17, 0.24, 0.24),
    "grey roof": (0.14, 0.16, 0.17, 0.20, 0.21),
    "white roof": (0.30, 0.33, 0.35, 0.38, 0.30),
    "blue roof": (0.22, 0.18, 0.14, 0.24, 0.24),
    "red box": (0.08, 0.09, 0.16, 0.20, 0.19),
    "blue box": (0.14, 0.12, 0.10, 0.17, 0.17),
    "light box": (0.20, 0.22, 0.22, 0.25, 0.22),
}
_INDEX = {name: index for index, name in enumerate(SURFACES)}
_FIELDS = ("crop", "grass", "ripe crop", "crop", "soil", "fallow", "grass", "ripe crop")
_HOUSES = ("tiles", "grey roof", "grass", "tiles", "asphalt", "forest", "tiles", "grass")
_FLATS = ("concrete", "grass", "grey roof", "asphalt", "forest", "grass", "light box", "grass")
_HALLS = ("grey roof", "concrete", "asphalt", "grey roof", "tiles", "concrete", "white roof", "blue roof")
_STACKS = ("red box", "blue box", "light box", "grey roof", "red box", "tiles", "asphalt", "light box")
_SHEDS = ("grey roof", "concrete", "asphalt", "grey roof", "tiles", "concrete", "white roof", "asphalt")

CLEAR_SEA = np.array([0.036, 0.032, 0.015, 0.009, 0.006], np.float32)
SILT = np.array([0.010, 0.026, 0.016, 0.004, 0.000], np.float32)
FOAM = np.array([1.0, 1.0, 1.0, 0.85, 0.35], np.float32)


def noise(rng: np.random.Generator, size: int, period: float, octaves: int = 1) -> Plane:
    """Make smooth noise with zero mean and a standard deviation of about 1.

    Args:
        rng: Random generator.
        size: Pixels per side.
        period: Pixels between independent values, at least 1; halved for each further octave.
        octaves: Number of noise fields that are added up.

    Returns:
        (size, size) float32.
    """
    total, power = np.zeros((size, size), np.float32), 0.0
    for octave in range(octaves):
        weight, cells = 0.55**octave, max(2, round(size / max(1.0, period / 2**octave)) + 1)
        grid = rng.standard_normal((cells, cells), np.float32)
        total += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        power += 0.55 * weight**2  # cubic interpolation leaves about this much of the variance
    return np.asarray(total / np.sqrt(power), np.float32)


def smoothstep(values: ArrayLike, low: float, high: float) -> Plane:
    """Return 3t^2 - 2t^3 for t from 0 at `low` to 1 at `high`, clamped outside (Hermite interpolation)."""
    t = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def fill(mask: NDArray[np.uint8], corners: ArrayLike, value: int = 255, line: int = cv2.LINE_AA) -> None:
    """Fill a polygon in place, with a precision of 1/16 pixel.

    Args:
        mask: (rows, columns).
        corners: (n, 2) pixel coordinates (column, row).
        value: Value to fill with.
        line: Line type of OpenCV; the default antialiases the edges.
    """
    points = np.round((np.asarray(corners, np.float64) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], value, lineType=line, shift=4)


@dataclass(frozen=True)
class Port:
    """A port, and a coordinate frame: `out` pixels towards the sea and `along` pixels along the shore from its centre.

    Attributes:
        column: Column of its centre on the shore.
        row: Row of its centre.
        angle: Direction of the seaward axis in radians clockwise from east.
        half: Half of its extent along the shore in pixels.
        length: Length of its longest pier in pixels.
        depth: Distance from the shore to the breakwater in pixels.
        piers: (along, width, length) of each pier in pixels.
    """

    column: float
    row: float
    angle: float
    half: float
    length: float
    depth: float
    piers: tuple[tuple[float, float, float], ...]

    def points(self, *positions: tuple[float, float]) -> NDArray[np.float64]:
        """Return the pixel coordinates (n, 2) of positions (out, along)."""
        out, along = np.array(positions, np.float64).T
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.stack([self.column + out * c - along * s, self.row + out * s + along * c], 1)

    def box(self, out0: float, out1: float, along0: float, along1: float) -> NDArray[np.float64]:
        """Return the pixel coordinates (4, 2) of the corners of a rectangle in the frame."""
        return self.points((out0, along0), (out1, along0), (out1, along1), (out0, along1))


@dataclass(frozen=True)
class Coast:
    """A coast without ships or weather.

    Attributes:
        reflectance: (5, size, size) in blue, green, red, nir, swir16.
        land: (size, size) fraction of each pixel that is land or a structure, 0 to 1.
        basins: (size, size), True for sheltered water of the port.
        port: The port and its coordinate frame.
    """

    reflectance: Plane
    land: Plane
    basins: NDArray[np.bool_]
    port: Port


def render_coast(rng: np.random.Generator, size: int) -> Coast:
    """Render a coast that runs from top to bottom, with land on the left and a port in the centre.

    Args:
        rng: Random generator.
        size: Pixels per side.

    Returns:
        The coast.
    """
    port = _layout_port(rng, size)
    shore = _draw_shore(rng, size, port)
    structures = _draw_structures(rng, size, port)
    land = (np.maximum(shore, structures) / 255).astype(np.float32)
    surface_index, shade = _surface_of_land(rng, size, port, land > 0)
    _set_beach(surface_index, shore, structures)
    _set_port_surfaces(rng, surface_index, port, structures)
    spectra = np.array(list(SURFACES.values()), np.float32).T
    basins = np.zeros((size, size), np.uint8)
    fill(basins, port.box(0, port.depth, -port.half, port.half))
    sheltered = (basins > 0) & (land == 0)
    sea = _draw_sea(rng, size, land, sheltered)
    for band, spectrum in zip(sea, spectra, strict=True):
        band += land * (spectrum[surface_index] * shade - band)
    return Coast(sea, land, sheltered, port)


def _layout_port(rng: np.random.Generator, size: int) -> Port:
    pitch, length = 104.0, min(210.0, 0.2 * size)
    count = int(np.clip(0.33 * size / pitch, 1, 6))
    piers = tuple(
        ((i - (count - 1) / 2) * pitch, rng.uniform(*((20, 28), (42, 54))[i % 2]), length * rng.uniform(0.7, 1))
        for i in range(count)
    )
    half = min(count * pitch / 2 + 24, 0.42 * size)
    depth = length + min(80.0, 0.12 * size)
    return Port(0.31 * size, 0.47 * size, np.radians(rng.uniform(-16, 16)), half, length, depth, piers)


def _draw_shore(rng: np.random.Generator, size: int, port: Port) -> NDArray[np.uint8]:
    """Return natural land, 0 to 255: an irregular shore that joins the straight shore of the port."""
    rows = np.arange(-8, size + 9, 4)
    walk = np.interp(rows, np.linspace(-8, size + 8, 12), np.cumsum(rng.normal(0, 0.02 * size, 12)))
    jags = cv2.GaussianBlur(rng.normal(0, 14, (len(rows), 1)), (0, 0), 4)[:, 0]
    bends = cv2.GaussianBlur(walk[:, None], (0, 0), 6)[:, 0]
    straight = port.column - np.tan(port.angle) * (rows - port.row)
    far = smoothstep(np.abs(rows - port.row), port.half, port.half + 0.12 * size)
    columns = straight * (1 - far) + far * np.clip(port.column + bends - bends.mean() + jags, 0.12 * size, 0.45 * size)
    mask = np.zeros((size, size), np.uint8)
    fill(mask, np.vstack([np.stack([columns, rows], 1), [(-8, size + 8), (-8, -8)]]))
    return mask


def _draw_structures(rng: np.random.Generator, size: int, port: Port) -> NDArray[np.uint8]:
    """Return structures, 0 to 255: quays, piers, breakwaters and a jetty outside the port."""
    mask = np.zeros((size, size), np.uint8)
    inland = min(90.0, 0.12 * size)
    fill(mask, port.box(-inland, 14, -port.half, port.half))
    for along, width, length in port.piers:
        fill(mask, port.box(0, length, along - width / 2, along + width / 2))
    gap = rng.uniform(-0.3, 0.3) * port.half
    mouth = min(36.0, 0.3 * port.half)
    for side, end in ((-1, gap - mouth), (1, gap + mouth)):
        edge = side * port.half
        bend = port.depth - 0.35 * port.length
        path = port.points((0, edge), (bend, edge), (port.depth, edge - side * 0.25 * port.half), (port.depth + 4, end))
        fill_path(mask, path, 3.6)
    jetty = port.half + 0.06 * size
    fill_path(mask, port.points((-0.1 * size, jetty), (0.09 * size, jetty)), 1.6)
    fill_path(mask, port.points((0.09 * size, jetty - 9), (0.09 * size, jetty + 9)), 3.0)
    return mask


def fill_path(mask: NDArray[np.uint8], path: NDArray[np.float64], width: float) -> None:
    """Draw a path in place, as one rectangle per segment.

    Args:
        mask: (rows, columns).
        path: (n, 2) pixel coordinates (column, row).
        width: Width of the path in pixels.
    """
    for start, end in pairwise(path):
        ahead = (end - start) / max(1e-6, float(np.hypot(*(end - start)))) * width / 2
        aside = np.array([-ahead[1], ahead[0]])
        fill(mask, [start - ahead + aside, end + ahead + aside, end + ahead - aside, start - ahead - aside])


def _divide(
    rng: np.random.Generator, u: Plane, v: Plane, width: float, height: float
) -> tuple[NDArray[np.intp], Plane]:
    """Divide u, v into staggered rectangles; return the random number 0 to 7 of each and the distance to its edge."""
    offsets, stretch = rng.uniform(0, 99, 256), rng.uniform(0.75, 1.4, 256)
    line = np.floor(v / height).astype(np.intp)
    cell = (u / (width * stretch[line % 256]) + offsets[line % 256]).astype(np.float32)
    column = np.floor(cell).astype(np.intp)
    number = rng.integers(0, 8, 4096)[(line * 631 + column * 89) % 4096]
    across = np.abs(v / height - line - 0.5)
    lengthwise = np.abs(cell - column - 0.5) * stretch[line % 256]
    edge = np.minimum((0.5 - across) * height, (0.5 * stretch[line % 256] - lengthwise) * width)
    return number, edge.astype(np.float32)


def _surface_indices(names: tuple[str, ...], number: NDArray[np.intp]) -> NDArray[np.uint8]:
    return np.array([_INDEX[name] for name in names], np.uint8)[number]


def _surface_of_land(
    rng: np.random.Generator, size: int, port: Port, land: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], Plane]:
    """Return the surface of each pixel (size, size) as an index into SURFACES, and its brightness factor."""
    uses, angles = _draw_districts(rng, size, port)
    surface_index = np.full((size, size), _INDEX["forest"], np.uint8)
    shade = np.maximum(0.4, 1 + 0.07 * noise(rng, size, 1) + 0.10 * noise(rng, size, 90, 5))
    for use, draw in enumerate((_fields, _town, _industry)):
        rows, columns = np.nonzero(land & (uses == use))
        c, s = np.cos(angles[rows, columns]), np.sin(angles[rows, columns])
        u, v = columns * c + rows * s, rows * c - columns * s
        surface_index[rows, columns] = draw(rng, u.astype(np.float32), v.astype(np.float32))
    woods = land & (uses == 3)
    shade[woods] *= (1 + 0.10 * noise(rng, size, 16, 4))[woods]
    _draw_roads(rng, surface_index, port)
    return surface_index, np.asarray(shade, np.float32)


def _draw_districts(rng: np.random.Generator, size: int, port: Port) -> tuple[NDArray[np.uint8], Plane]:
    """Return the land use (0 fields, 1 town, 2 industry, 3 woods) and street angle in radians of each pixel."""
    count = max(4, round((size / 120) ** 2))
    seeds = rng.integers(0, size, (count, 2))
    empty = np.ones((size, size), np.uint8)
    empty[seeds[:, 1], seeds[:, 0]] = 0
    labels = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    column, row = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    labels = cv2.remap(
        labels.astype(np.float32),
        column + 11 * noise(rng, size, 90, 6),
        row + 11 * noise(rng, size, 90, 6),
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.intp)
    centres = np.zeros((count + 1, 2))
    drawn = labels[seeds[:, 1], seeds[:, 0]]
    centres[drawn] = seeds
    reach = np.hypot(*(centres - (port.column, port.row)).T) / size
    chance = rng.uniform(0, 1, count + 1)
    use = np.where(chance < 0.55, 0, 3)
    use[(chance < 1.15 - 2.2 * reach) | (chance > 0.93) | ((use == 3) & (reach < 0.25))] = 1
    use[(reach < 0.3) & (rng.uniform(0, 1, count + 1) < 0.3)] = 2
    return use.astype(np.uint8)[labels], rng.uniform(-0.8, 0.8, count + 1).astype(np.float32)[labels]


def _fields(rng: np.random.Generator, u: Plane, v: Plane) -> NDArray[np.uint8]:
    number, edge = _divide(rng, u, v, 34, 13)
    return np.where(edge < 0.5, _INDEX["fallow"], _surface_indices(_FIELDS, number)).astype(np.uint8)


def _town(rng: np.random.Generator, u: Plane, v: Plane) -> NDArray[np.uint8]:
    quarter, street = _divide(rng, u, v, 19, 11)
    number, _ = _divide(rng, u, v, 1.9, 1.4)
    larger, _ = _divide(rng, u, v, 5, 2.2)
    blocks = np.where(quarter < 5, _surface_indices(_HOUSES, number), _surface_indices(_FLATS, larger))
    blocks = np.where(quarter == 7, _surface_indices(("grass", "forest"), number % 2), blocks)
    return np.where(street < 0.6, _INDEX["asphalt"], blocks).astype(np.uint8)


def _industry(rng: np.random.Generator, u: Plane, v: Plane) -> NDArray[np.uint8]:
    lot, road = _divide(rng, u, v, 46, 27)
    number, edge = _divide(rng, u, v, 15, 9)
    halls = np.where(edge < 1.2, _INDEX["asphalt"], _surface_indices(_HALLS, (number + lot) % 8))
    yards = _surface_indices(("concrete", "asphalt", "soil", "grass"), number % 4)
    lots = np.where(lot < 5, halls, np.where(lot < 7, yards, _surface_indices(_FLATS, number)))
    return np.where(road < 0.9, _INDEX["asphalt"], lots).astype(np.uint8)


def _draw_roads(rng: np.random.Generator, surface_index: NDArray[np.uint8], port: Port) -> None:
    """Draw main roads from the port inland and one along the shore."""
    size = len(surface_index)
    lines = [
        port.points((-30, 0), (-0.1 * size, bend * size), (-0.25 * size, 2 * bend * size), (-size, 3 * bend * size))
        for bend in rng.uniform(-0.2, 0.2, 4)
    ]
    back = -0.13 * size
    lines.append(port.points((back, -size), (back, -0.3 * size), (back - 20, 0), (back, 0.3 * size), (back, size)))
    roads = np.zeros_like(surface_index)
    for line in lines:
        fill_path(roads, line, 2.2)
    surface_index[roads > 127] = _INDEX["asphalt"]


def _set_beach(surface_index: NDArray[np.uint8], shore: NDArray[np.uint8], structures: NDArray[np.uint8]) -> None:
    inside = cv2.distanceTransform((shore > 0).astype(np.uint8), cv2.DIST_L2, 3)
    surface_index[(inside > 0) & (inside < 4) & (structures == 0)] = _INDEX["sand"]


def _set_port_surfaces(
    rng: np.random.Generator, surface_index: NDArray[np.uint8], port: Port, structures: NDArray[np.uint8]
) -> None:
    """Set the port's surfaces: concrete quays, container yards, sheds and coal; rock on breakwaters and the jetty."""
    inside = cv2.distanceTransform((structures > 0).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(structures > 0)
    depth = inside[rows, columns]
    c, s = np.cos(port.angle), np.sin(port.angle)
    out = ((columns - port.column) * c + (rows - port.row) * s).astype(np.float32)
    along = ((rows - port.row) * c - (columns - port.column) * s).astype(np.float32)
    kind, lane = _divide(rng, out, along, 70, 52)
    box, _ = _divide(rng, out, along, 4, 1.5)
    _, aisle = _divide(rng, out, along, 24, 6)
    shed, wall = _divide(rng, out, along, 22, 9)
    stacks = np.where(aisle < 1.2, _INDEX["concrete"], _surface_indices(_STACKS, box))
    sheds = np.where(wall < 1.4, _INDEX["concrete"], _surface_indices(_SHEDS, shed))
    surface = np.where(kind < 3, stacks, np.where(kind < 7, sheds, _INDEX["coal"]))
    surface = np.where((depth < 5) | (lane < 1), _INDEX["concrete"], surface)
    broad = cv2.dilate((inside > 6).astype(np.uint8), np.ones((17, 17), np.uint8))[rows, columns] > 0
    surface_index[rows, columns] = np.where(broad, surface, _INDEX["rock"])


def _draw_sea(rng: np.random.Generator, size: int, land: Plane, basins: NDArray[np.bool_]) -> Plane:
    """Return the reflectance of the water (5, size, size): depth, silt, sun glint, swell, slicks and surf."""
    offshore = np.asarray(cv2.distanceTransform((land < 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    depth = 1 + 0.08 * noise(rng, size, size / 3, 4)
    silt = np.exp(-offshore / (0.06 * size)) * (1 + 0.3 * noise(rng, size, size / 6, 5)) * 0.8
    east = np.linspace(0, 1, size, dtype=np.float32)
    glint = 0.002 + 0.010 * smoothstep(east + 0.1 * noise(rng, size, size / 2, 3), 0.3, 1.2)
    slick = smoothstep(0.3 - np.abs(noise(rng, size, size / 5, 6)), 0, 0.3)
    slick *= smoothstep(noise(rng, size, size / 3, 3), -0.3, 1.2)
    shelter = cv2.GaussianBlur(basins.astype(np.float32), (0, 0), 8)
    rough = (1 - 0.7 * shelter) * (1 - 0.5 * slick * smoothstep(offshore, 5, 60))
    waves = glint * rough * (1 + 0.16 * _swell(rng, size))
    surf = _surf(rng, offshore, basins)
    silt = np.clip(silt, 0, None) * (1 - 0.6 * shelter)  # silt settles in still water
    return np.stack(
        [base * depth + silt * mud + waves + surf * foam for base, mud, foam in zip(CLEAR_SEA, SILT, FOAM, strict=True)]
    ).astype(np.float32)


def _swell(rng: np.random.Generator, size: int) -> Plane:
    """Return wave crests: noise smoothed along one direction, with a standard deviation of about 1."""
    kernel = np.zeros((15, 15), np.float32)
    cv2.line(kernel, (2, 11), (12, 3), 1.0, 1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(kernel, (0, 0), 0.9)
    field = cv2.filter2D(rng.standard_normal((size, size), np.float32), -1, soft / np.sqrt((soft**2).sum()))
    return np.asarray(field - cv2.GaussianBlur(field, (0, 0), 4), np.float32)


def _surf(rng: np.random.Generator, offshore: Plane, basins: NDArray[np.bool_]) -> Plane:
    """Return patches of white water within a few pixels of exposed shores."""
    patches = smoothstep(noise(rng, len(offshore), 30, 3), -0.4, 1.4)
    line = np.exp(-(((offshore - 1.6) / 1.1) ** 2))
    return np.asarray(0.09 * patches * line * ~basins, np.float32)
