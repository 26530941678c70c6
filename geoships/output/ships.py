"""Scores become ships: row bands in, whole polygons out.

A ship is a set of mask pixels that touch by an edge or by a corner. Ships whose pixels touch come out
as one polygon, and an island of mask pixels in a hole of a ship is a ship of its own.

The mask is read as runs (stretches of mask pixels within a row), and of an outline only its corners are
kept: an end of a side of a run is a corner exactly where no like side goes on in the next row. So straight
sides cost nothing however many bands they cross, and a seam leaves no trace in the geometry. What lives
between two bands is the last row's runs, and the sums and corners of the ships that they belong to.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geoships.output.stitch import RowBand

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Scores are summed as whole multiples of this step, a float32's own step between 0.5 and 1: whole numbers
# add up to the same mean in whichever order the bands bring them.
_STEP = 2.0**-24

# Pixels looked at in one go. Bounds the temporaries where a tall band is full of mask pixels.
_SLAB = 1 << 22


@dataclass(frozen=True)
class Ship:
    """One connected set of mask pixels.

    polygon: its outline in pixel coordinates (column, row); the upper left corner of the scene is (0, 0).
        Valid, normalised, no vertex on a straight side. A MultiPolygon where parts touch by corners only.
    pixels: how many pixels it holds.
    score: mean of their scores, 0 to 1.
    peak: highest of their scores, 0 to 1.
    on_border: whether it touches the edge of the scene, which may cut it.
    """

    polygon: Polygon | MultiPolygon
    pixels: int
    score: float
    peak: float
    on_border: bool

    @property
    def first_pixel(self) -> tuple[int, int]:
        """(row, column) of the leftmost pixel of its topmost row: a sort key that no two ships share."""
        row, column = min((row, column) for column, row in shapely.get_coordinates(self.polygon).tolist())
        return int(row), int(column)


def without_small_holes(polygon: Polygon | MultiPolygon, area: float) -> Polygon | MultiPolygon:
    """Fill the holes of less than `area`, in the square of the polygon's unit.

    Pinholes inside a ship are artefacts of the threshold; the water inside a breakwater is not. A filled
    hole also covers what lies in it, be it another ship.
    """
    parts = [
        Polygon(part.exterior, [hole for hole in part.interiors if Polygon(hole).area >= area])
        for part in shapely.get_parts(polygon)
    ]
    # A part that lay in a hole which is now filled is swallowed.
    filled = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    assert isinstance(filled, Polygon | MultiPolygon)
    return filled


def simplified(polygon: Polygon | MultiPolygon, tolerance_px: float) -> Polygon | MultiPolygon:
    """Take vertices out of the outline, which moves by at most `tolerance_px` pixels.

    The polygon comes back unchanged where fewer vertices would leave it empty or invalid. Small ships lose corners,
    so measure them first.
    """
    simple = polygon.simplify(tolerance_px, preserve_topology=True)
    if isinstance(simple, Polygon | MultiPolygon) and simple.is_valid and not simple.is_empty:
        return simple
    return polygon


class ShipBuilder:
    """Joins the mask pixels of row bands to ships, across every seam.

    Ships come in the order of their last row, then of their first pixel (see Ship.first_pixel), and each
    is the same to the last bit, whatever the heights of the bands.

    width: columns of the scene.
    threshold: pixels with data and a score of at least this belong to ships.
    """

    def __init__(self, width: int, threshold: float) -> None:
        self._width = width
        self._threshold = threshold
        self._row = 0  # first row not yet fed
        self._edge = _Runs.none()  # runs of the row above it: only ships of these can still grow
        self._edge_part = np.zeros(0, np.int64)  # the part that each of them belongs to
        self._edge_ship = np.zeros(0, np.int64)  # the open ship that each of them belongs to
        self._sums = _Sums.none()  # of the open ships
        self._outlines: list[_Outline] = []  # of the open ships
        self._parts = 0  # numbers given to parts so far

    def feed(self, band: RowBand) -> Iterator[Ship]:
        """Take in the rows below those fed so far, and return the ships that can no longer grow.

        Raises ValueError for a band that is not as wide as the scene, or does not follow the one before it
        (the first starts at row 0).
        """
        height, width = band.scores.shape
        if (band.row, width) != (self._row, self._width):
            raise ValueError(
                f"expected {self._width} columns from row {self._row} on, got {width} columns from row {band.row} on"
            )
        rows = max(1, _SLAB // max(1, width))
        ships: list[Ship] = []
        for top in range(0, height, rows):
            scores, valid = band.scores[top : top + rows], band.valid[top : top + rows]
            new = _Runs.of(scores, valid, self._threshold, self._row)
            ships += self._take(new, self._row + scores.shape[0])
        return iter(ships)

    def finish(self) -> Iterator[Ship]:
        """Return the ships that reach the last row fed, the last of the scene."""
        self._sums.border[:] = True
        return iter(self._take(_Runs.none(), self._row + 1))

    def _take(self, new: _Runs, row_end: int) -> list[Ship]:
        """Join the runs of all rows above `row_end`, and let go of the ships that do not reach the last of them."""
        self._row = row_end
        known = len(self._edge)
        runs = self._edge.followed_by(new)
        if not len(runs):
            return []
        upper, lower, sides = runs.touching(self._width)
        ship = _components(len(runs), [(upper, lower), _alike(self._edge_ship)])
        part_links = [(upper[sides], lower[sides]), _alike(self._edge_part)]
        part = self._numbered(_components(len(runs), part_links), known)
        sums = _Sums.of(runs, ship, self._width)
        home = np.zeros(len(self._outlines), np.int64)  # where the open ships went
        home[self._edge_ship] = ship[:known]
        sums.add(home, self._sums)

        run, corners = runs.corners(part, known, row_end - 1, self._width)
        outlines = _joined(home, self._outlines)
        merged = np.flatnonzero(self._edge_part != part[:known])
        for index, pairs in _by_ship(ship[merged], np.column_stack((self._edge_part[merged], part[merged]))):
            outlines[index].merges.append(pairs)

        last = runs.row == row_end - 1
        growing = np.zeros(len(sums), np.bool_)
        growing[ship[last]] = True
        stays = growing[ship[run]]
        for index, chunk in _by_ship(ship[run][stays], corners[stays]):
            outlines.setdefault(index, _Outline()).corners.append(chunk)
        closed = _closed(ship[run][~stays], corners[~stays], outlines, growing, sums)

        kept = np.flatnonzero(growing)
        self._edge, self._edge_part = runs.counted(last), part[last]
        self._edge_ship = np.searchsorted(kept, ship[last])
        self._sums = sums.of_ships(kept)
        self._outlines = [outlines[index] for index in kept.tolist()]
        return closed

    def _numbered(self, local: Ints, known: int) -> Ints:
        """Numbers of parts that stay true over all bands: a part that was open keeps its least one."""
        number = self._parts + np.arange(local.max() + 1)
        self._parts += number.size
        np.minimum.at(number, local[:known], self._edge_part)
        return np.asarray(number[local])


@dataclass(frozen=True)
class _Runs:
    """Stretches of mask pixels within a row, in reading order; all fields are (runs,).

    row, start, end: the row, the first column, and the first column after it.
    pixels, total, peak: number of pixels, sum of scores in steps, highest score; 0 once they are counted.
    """

    row: Ints
    start: Ints
    end: Ints
    pixels: Ints
    total: Ints
    peak: NDArray[np.float32]

    def __len__(self) -> int:
        return self.row.size

    @staticmethod
    def none() -> _Runs:
        nothing = np.zeros(0, np.int64)
        return _Runs(nothing, nothing, nothing, nothing, nothing, nothing.astype(np.float32))

    @staticmethod
    def of(scores: NDArray[np.float32], valid: Bools, threshold: float, first_row: int) -> _Runs:
        """Find the runs of an array (rows, columns) whose first row is `first_row` of the scene."""
        height, width = scores.shape
        # A column without mask behind the last one ends every run with its row.
        flat = np.zeros(1 + height * (width + 1), np.bool_)
        mask = flat[1:].reshape(height, width + 1)[:, :width]
        np.greater_equal(scores, threshold, out=mask)
        mask &= valid
        change = np.flatnonzero(flat[1:] != flat[:-1])
        if not change.size:
            return _Runs.none()
        row = change[::2] // (width + 1)
        start, end = change[::2] - row * (width + 1), change[1::2] - row * (width + 1)
        length = end - start
        offset = np.cumsum(length) - length
        values = scores.ravel()[np.repeat(row * width + start - offset, length) + np.arange(length.sum())]
        total = np.add.reduceat(np.rint(values.astype(np.float64) / _STEP).astype(np.int64), offset)
        return _Runs(row + first_row, start, end, length, total, np.maximum.reduceat(values, offset))

    def followed_by(self, other: _Runs) -> _Runs:
        return _Runs(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(_Runs)))

    def counted(self, which: Bools) -> _Runs:
        """Keep some of the runs for the next band: what they hold is counted, where they are still matters."""
        row, start, end = self.row[which], self.start[which], self.end[which]
        nothing = np.zeros_like(row)
        return _Runs(row, start, end, nothing, nothing, nothing.astype(np.float32))

    def touching(self, width: int) -> tuple[Ints, Ints, Bools]:
        """Pairs of runs in neighbouring rows that touch: index of the upper, of the lower, whether by a side."""
        stride = width + 1
        below = (self.row + 1) * stride
        first = np.searchsorted(self.row * stride + self.end, below + self.start, "left")
        count = np.searchsorted(self.row * stride + self.start, below + self.end, "right") - first
        upper = np.repeat(np.arange(len(self)), count)
        lower = np.arange(upper.size) + np.repeat(first - np.cumsum(count) + count, count)
        sides = (self.end[lower] > self.start[upper]) & (self.start[lower] < self.end[upper])
        return upper, lower, sides

    def corners(self, part: Ints, known: int, last_row: int, width: int) -> tuple[Ints, Ints]:
        """Corners between the rows, as (run that each belongs to, array (corners, 3)).

        A corner is (part, 2 * row + is the upper end of a side, 2 * column + is an end of a run).
        The upper ends of the first `known` runs were found with the rows above them, the lower ends of
        those in `last_row` will be with the rows below.
        """
        index = np.arange(len(self))
        new, done = index[known:], index[self.row < last_row]
        runs, found = [], []
        for is_end, column in enumerate((self.start, self.end)):
            key = self.row * (width + 1) + column
            for is_top, candidates, beyond in ((1, new, -width - 1), (0, done, width + 1)):
                run = candidates[~_contains(key, key[candidates] + beyond)]
                row = self.row[run] + (1 - is_top)
                runs.append(run)
                found.append(np.column_stack((part[run], 2 * row + is_top, 2 * column[run] + is_end)))
        return np.concatenate(runs), np.concatenate(found)


@dataclass(frozen=True)
class _Sums:
    """What is summed up over each ship; all fields are (ships,). See Ship and _Runs."""

    pixels: Ints
    total: Ints
    peak: NDArray[np.float32]
    border: Bools

    def __len__(self) -> int:
        return self.pixels.size

    @staticmethod
    def none(count: int = 0) -> _Sums:
        whole = np.zeros((2, count), np.int64)
        return _Sums(whole[0], whole[1], np.zeros(count, np.float32), np.zeros(count, np.bool_))

    @staticmethod
    def of(runs: _Runs, ship: Ints, width: int) -> _Sums:
        sums = _Sums.none(int(ship.max()) + 1)
        border = (runs.row == 0) | (runs.start == 0) | (runs.end == width)
        sums.add(ship, _Sums(runs.pixels, runs.total, runs.peak, border))
        return sums

    def add(self, ship: Ints, other: _Sums) -> None:
        """Add each entry of `other` to the one of ours that `ship` names."""
        np.add.at(self.pixels, ship, other.pixels)
        np.add.at(self.total, ship, other.total)
        np.maximum.at(self.peak, ship, other.peak)
        np.logical_or.at(self.border, ship, other.border)

    def of_ships(self, ship: Ints) -> _Sums:
        return _Sums(self.pixels[ship], self.total[ship], self.peak[ship], self.border[ship])


@dataclass(frozen=True)
class _Outline:
    """What is known of an open ship's outline.

    A part is a set of its pixels that touch by sides: one polygon of a MultiPolygon. Parts that meet in a
    later band have corners under several numbers until the ship is closed.

    corners: arrays (corners, 3), see _Runs.corners.
    merges: arrays (merges, 2) of numbers that turned out to be the same part.
    """

    corners: list[Ints] = field(default_factory=list)
    merges: list[Ints] = field(default_factory=list)

    def absorb(self, other: _Outline) -> None:
        self.corners.extend(other.corners)
        self.merges.extend(other.merges)


def _joined(home: Ints, outlines: list[_Outline]) -> dict[int, _Outline]:
    """Outlines under the number of the ship that they went into."""
    joined: dict[int, _Outline] = {}
    # The longest first, so that a ship that stays open is never copied into the small ones it meets.
    for place in sorted(range(len(outlines)), key=lambda place: -len(outlines[place].corners)):
        outline = joined.setdefault(int(home[place]), outlines[place])
        if outline is not outlines[place]:
            outline.absorb(outlines[place])
    return joined


def _by_ship(ship: Ints, rows: Ints) -> Iterator[tuple[int, Ints]]:
    """Split an array into the rows of each ship, given the ship of each row."""
    order = np.argsort(ship, kind="stable")
    ship, rows = ship[order], rows[order]
    offsets = _changes(ship).tolist()
    for first, end in pairwise(offsets if ship.size else ()):
        yield int(ship[first]), rows[first:end].copy()  # a view would keep all rows alive


def _closed(ship: Ints, corners: Ints, outlines: dict[int, _Outline], growing: Bools, sums: _Sums) -> list[Ship]:
    """Make the ships that do not grow, of this band's corners (`ship` names the ship of each) and earlier ones."""
    past = [(number, outline) for number, outline in outlines.items() if not growing[number]]
    ship = np.concatenate([ship, *(np.full(len(chunk), number) for number, old in past for chunk in old.corners)])
    if not ship.size:
        return []
    corners = np.concatenate([corners, *(chunk for _, old in past for chunk in old.corners)])
    merges = [pairs for _, old in past for pairs in old.merges]
    if merges:
        corners[:, 0] = _same_parts(corners[:, 0], np.concatenate(merges))
    numbers, polygons, reading_order = _polygons(ship, corners)
    of_ships = sums.of_ships(numbers)
    return [
        Ship(polygons[i], pixels, total * _STEP / pixels, peak, border)
        for i, pixels, total, peak, border in zip(
            reading_order.tolist(),
            *(getattr(of_ships, f.name)[reading_order].tolist() for f in fields(_Sums)),
            strict=True,
        )
    ]


def _same_parts(part: Ints, merges: Ints) -> Ints:
    """One number for each part, given pairs of numbers of the same part."""
    numbers = np.unique(part)
    pairs = np.searchsorted(numbers, merges)
    return _components(numbers.size, [(pairs[:, 0], pairs[:, 1])])[np.searchsorted(numbers, part)]


def _polygons(ship: Ints, corners: Ints) -> tuple[Ints, NDArray[np.object_], Ints]:
    """Rings through the corners: (numbers of the ships, their polygons, their order by last row and first pixel).

    Sides go from a corner to the next one of the same part in its row, and in its column, in pairs. Where
    a part touches itself by a corner, its vertex holds two corners; the pairing then keeps the two rings
    apart that only touch there, since a ring that touches itself would not be valid.
    """
    part, row, column = corners.T
    # The start of a run goes before the end of another: of two corners at a vertex, the one whose
    # background lies left takes the side to the left.
    order = np.lexsort((column, row >> 1, part, ship))
    ship, part, row, column = ship[order], part[order], row[order], column[order]
    by_column = np.lexsort((row, column >> 1, part))
    along = np.empty_like(by_column)
    along[by_column[::2]], along[by_column[1::2]] = by_column[1::2], by_column[::2]

    row, column = row >> 1, column >> 1
    path, ring_offsets = _rings(along)
    ring_first = path[ring_offsets[:-1]]
    # The first ring of a part holds its topmost corner: it is the exterior, the others are holes.
    part_offsets = _changes(part[ring_first])
    part_first = ring_first[part_offsets[:-1]]
    ship_offsets = _changes(ship[part_first])
    coordinates = np.column_stack((column, row))[path].astype(np.float64)
    multi = shapely.from_ragged_array(
        shapely.GeometryType.MULTIPOLYGON, coordinates, (ring_offsets, part_offsets, ship_offsets)
    )
    polygons = np.where(shapely.get_num_geometries(multi) == 1, shapely.get_geometry(multi, 0), multi)

    corner_offsets = _changes(ship)[:-1]
    first = np.minimum.reduceat(row * (column.max() + 1) + column, corner_offsets)
    last = np.maximum.reduceat(row, corner_offsets)
    return ship[corner_offsets], np.asarray(shapely.normalize(polygons)), np.lexsort((first, last))


def _rings(along: Ints) -> tuple[Ints, Ints]:
    """Follow the outlines from corner to corner: in turn along a row (2k and 2k + 1 are neighbours) and a column.

    Returns the corners of all rings, each with its first corner repeated at its end, and their offsets.
    """
    # Plain loops, so plain buffers: as fast as lists, in a quarter of their memory.
    following, seen = memoryview(along.data), bytearray(len(along))
    path, offsets = array("q"), array("q", [0])
    for start in range(len(seen)):
        if seen[start]:
            continue
        corner = start
        while not seen[corner]:
            across = corner ^ 1
            seen[corner] = seen[across] = 1
            path.append(corner)
            path.append(across)
            corner = following[across]
        path.append(start)
        offsets.append(len(path))
    return np.array(path), np.array(offsets)


def _components(count: int, links: list[tuple[Ints, Ints]]) -> Ints:
    """Give the nodes 0..count-1 the number of their connected set, from 0; (count,).

    Every round hangs each root that has a lower neighbour under the lowest, which at least halves the
    roots of a connected set, so there are few rounds.
    """
    root = np.arange(count)
    a, b = (np.concatenate(ends) for ends in zip(*links, strict=True))
    while True:
        a, b = root[a], root[b]
        apart = a != b
        if not apart.any():
            return np.asarray(np.unique(root, return_inverse=True)[1])
        a, b = a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(root, root[root]):
            root = root[root]


def _alike(values: Ints) -> tuple[Ints, Ints]:
    """Pairs of indices that link all entries of the same value."""
    order = np.argsort(values, kind="stable")
    same = values[order[1:]] == values[order[:-1]]
    return order[:-1][same], order[1:][same]


def _contains(ascending: Ints, values: Ints) -> Bools:
    """Whether each value is among the ascending ones."""
    place = np.minimum(np.searchsorted(ascending, values), ascending.size - 1)
    return np.asarray(ascending[place] == values)


def _changes(values: Ints) -> Ints:
    """Offsets of the stretches of equal values, from 0 to the number of values."""
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1, [values.size]))
