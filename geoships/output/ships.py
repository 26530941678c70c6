"""Connected components of the ship mask, as polygons, from row bands of scores.

A ship is an 8-connected set of mask pixels: they touch by an edge or by a corner. An island of mask pixels in a hole
of a ship is a ship of its own.

The mask is run-length encoded, and only the corners of an outline are stored: the end of a side of a run is a corner
exactly where no side continues it in the next row. So straight sides need no memory, however many row bands they
cross, and row bands leave no vertices in the polygons. Between two row bands, memory holds the runs of the last row,
and the sums and corners of the ships that they belong to.
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

# Scores are summed as integer multiples of this step, the spacing of float32 between 0.5 and 1: integer sums do not
# depend on the order of the row bands.
_STEP = 2.0**-24

# Pixels that are processed at a time, which bounds the temporary arrays of a tall row band full of mask pixels.
_CHUNK_PIXELS = 1 << 22


@dataclass(frozen=True)
class Ship:
    """One connected set of mask pixels.

    Attributes:
        polygon: Outline in pixel coordinates (column, row); the upper left corner of the scene is (0, 0). Valid,
            normalised, without vertices on straight sides. A MultiPolygon where parts touch by corners only.
        pixels: Number of pixels.
        score: Mean score of the pixels, 0 to 1.
        peak: Maximum score of the pixels, 0 to 1.
        on_border: Whether the ship touches the edge of the scene, which may cut it.
    """

    polygon: Polygon | MultiPolygon
    pixels: int
    score: float
    peak: float
    on_border: bool

    @property
    def first_pixel(self) -> tuple[int, int]:
        """(row, column) of the leftmost pixel in the topmost row: a unique sort key."""
        row, column = min((row, column) for column, row in shapely.get_coordinates(self.polygon).tolist())
        return int(row), int(column)


def without_small_holes(polygon: Polygon | MultiPolygon, area: float) -> Polygon | MultiPolygon:
    """Fill small holes.

    Pinholes inside a ship are artefacts of the threshold; the water inside a breakwater is not. A filled hole also
    covers what is in it, even another ship.

    Args:
        polygon: A valid polygon.
        area: Holes of less than this area are filled, in square units of the polygon's coordinates.

    Returns:
        The polygon without them.
    """
    parts = [
        Polygon(part.exterior, [hole for hole in part.interiors if Polygon(hole).area >= area])
        for part in shapely.get_parts(polygon)
    ]
    # The union absorbs a part that was in a hole which is now filled.
    filled = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    assert isinstance(filled, Polygon | MultiPolygon)
    return filled


def simplified(polygon: Polygon | MultiPolygon, tolerance_px: float) -> Polygon | MultiPolygon:
    """Simplify an outline (Douglas-Peucker). Small ships lose corners, so measure them first.

    Args:
        polygon: A valid polygon in pixel coordinates.
        tolerance_px: Maximum distance that the outline moves, in pixels.

    Returns:
        The simplified polygon; the polygon itself where that would be empty or invalid.
    """
    simple = polygon.simplify(tolerance_px, preserve_topology=True)
    if isinstance(simple, Polygon | MultiPolygon) and simple.is_valid and not simple.is_empty:
        return simple
    return polygon


class ShipBuilder:
    """Joins the mask pixels of row bands to ships.

    Ships are returned in the order of their last row, then of their first pixel (see Ship.first_pixel). Each is
    identical to the last bit, whatever the heights of the row bands.

    Args:
        width: Columns of the scene.
        threshold: Minimum score of a ship pixel, 0 to 1; pixels without data are never ship pixels.
    """

    def __init__(self, width: int, threshold: float) -> None:
        self._width = width
        self._threshold = threshold
        self._row = 0  # first row not yet fed
        self._edge = _Runs.none()  # runs of the row above it: only their ships can continue
        self._edge_part = np.zeros(0, np.int64)  # the part that each of these runs belongs to
        self._edge_ship = np.zeros(0, np.int64)  # the open ship that each of these runs belongs to
        self._sums = _Sums.none()  # of the open ships
        self._outlines: list[_Outline] = []  # of the open ships
        self._parts = 0  # number of part labels used so far

    def feed(self, band: RowBand) -> Iterator[Ship]:
        """Process the next row band.

        Args:
            band: The rows below those of the last call; the first band starts at row 0.

        Returns:
            The ships that end in this band.

        Raises:
            ValueError: For a band that is not as wide as the scene, or does not follow the last one.
        """
        height, width = band.scores.shape
        if (band.row, width) != (self._row, self._width):
            raise ValueError(
                f"expected {self._width} columns from row {self._row} on, got {width} columns from row {band.row} on"
            )
        rows = max(1, _CHUNK_PIXELS // max(1, width))
        ships: list[Ship] = []
        for top in range(0, height, rows):
            scores, valid = band.scores[top : top + rows], band.valid[top : top + rows]
            new = _Runs.of(scores, valid, self._threshold, self._row)
            ships += self._join(new, self._row + scores.shape[0])
        return iter(ships)

    def finish(self) -> Iterator[Ship]:
        """Return the ships that reach the last row of the scene."""
        self._sums.border[:] = True
        return iter(self._join(_Runs.none(), self._row + 1))

    def _join(self, new: _Runs, row_end: int) -> list[Ship]:
        """Join the runs of all rows above `row_end`, and return the ships that do not reach the last of them."""
        self._row = row_end
        known = len(self._edge)
        runs = self._edge.followed_by(new)
        if not len(runs):
            return []
        upper, lower, sides = runs.touching(self._width)
        ship = _components(len(runs), [(upper, lower), _equal_pairs(self._edge_ship)])
        part_links = [(upper[sides], lower[sides]), _equal_pairs(self._edge_part)]
        part = self._global_labels(_components(len(runs), part_links), known)
        sums = _Sums.of(runs, ship, self._width)
        new_number = np.zeros(len(self._outlines), np.int64)  # of each open ship
        new_number[self._edge_ship] = ship[:known]
        sums.add(new_number, self._sums)

        run, corners = runs.corners(part, known, row_end - 1, self._width)
        outlines = _joined(new_number, self._outlines)
        merged = np.flatnonzero(self._edge_part != part[:known])
        for index, pairs in _by_ship(ship[merged], np.column_stack((self._edge_part[merged], part[merged]))):
            outlines[index].merges.append(pairs)

        last = runs.row == row_end - 1
        is_open = np.zeros(len(sums), np.bool_)
        is_open[ship[last]] = True
        open_corner = is_open[ship[run]]
        for index, chunk in _by_ship(ship[run][open_corner], corners[open_corner]):
            outlines.setdefault(index, _Outline()).corners.append(chunk)
        closed = _closed(ship[run][~open_corner], corners[~open_corner], outlines, is_open, sums)

        open_ships = np.flatnonzero(is_open)
        self._edge, self._edge_part = runs.without_pixels(last), part[last]
        self._edge_ship = np.searchsorted(open_ships, ship[last])
        self._sums = sums.of_ships(open_ships)
        self._outlines = [outlines[index] for index in open_ships.tolist()]
        return closed

    def _global_labels(self, local: Ints, known: int) -> Ints:
        """Part labels that are valid across row bands: a part that was open keeps its lowest label."""
        number = self._parts + np.arange(local.max() + 1)
        self._parts += number.size
        np.minimum.at(number, local[:known], self._edge_part)
        return np.asarray(number[local])


@dataclass(frozen=True)
class _Runs:
    """Runs of consecutive mask pixels within a row, in reading order; all fields are (runs,).

    Attributes:
        row: Row.
        start: First column.
        end: First column after the run.
        pixels: Number of pixels; 0 once they are summed.
        total: Sum of scores in steps; 0 once they are summed.
        peak: Maximum score; 0 once it is summed.
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
        # An empty column on the right ends every run at the end of its row.
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

    def without_pixels(self, selection: Bools) -> _Runs:
        """Select runs for the next row band, with their positions and zero pixels, which are summed already."""
        row, start, end = self.row[selection], self.start[selection], self.end[selection]
        nothing = np.zeros_like(row)
        return _Runs(row, start, end, nothing, nothing, nothing.astype(np.float32))

    def touching(self, width: int) -> tuple[Ints, Ints, Bools]:
        """Pairs of runs in adjacent rows that touch: index of the upper, of the lower, whether by a side."""
        stride = width + 1
        below = (self.row + 1) * stride
        first = np.searchsorted(self.row * stride + self.end, below + self.start, "left")
        count = np.searchsorted(self.row * stride + self.start, below + self.end, "right") - first
        upper = np.repeat(np.arange(len(self)), count)
        lower = np.arange(upper.size) + np.repeat(first - np.cumsum(count) + count, count)
        sides = (self.end[lower] > self.start[upper]) & (self.start[lower] < self.end[upper])
        return upper, lower, sides

    def corners(self, part: Ints, known: int, last_row: int, width: int) -> tuple[Ints, Ints]:
        """Corners between the rows, as (run of each corner, array (corners, 3)).

        A corner is (part, 2 * row + 1 for the upper end of a side, 2 * column + 1 for the end of a run). The upper
        ends of the first `known` runs were found with the rows above them; the lower ends of those in `last_row` will
        be found with the rows below.
        """
        index = np.arange(len(self))
        new, complete = index[known:], index[self.row < last_row]
        runs, corners = [], []
        for is_end, column in enumerate((self.start, self.end)):
            key = self.row * (width + 1) + column
            for is_top, candidates, beyond in ((1, new, -width - 1), (0, complete, width + 1)):
                run = candidates[~_contains(key, key[candidates] + beyond)]
                row = self.row[run] + (1 - is_top)
                runs.append(run)
                corners.append(np.column_stack((part[run], 2 * row + is_top, 2 * column[run] + is_end)))
        return np.concatenate(runs), np.concatenate(corners)


@dataclass(frozen=True)
class _Sums:
    """Sums over the pixels of each ship; all fields are (ships,). See Ship and _Runs."""

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
        """Add each entry of `other` to the entry with index `ship`."""
        np.add.at(self.pixels, ship, other.pixels)
        np.add.at(self.total, ship, other.total)
        np.maximum.at(self.peak, ship, other.peak)
        np.logical_or.at(self.border, ship, other.border)

    def of_ships(self, ship: Ints) -> _Sums:
        return _Sums(self.pixels[ship], self.total[ship], self.peak[ship], self.border[ship])


@dataclass(frozen=True)
class _Outline:
    """The corners of an open ship so far.

    A part is a 4-connected set of pixels: one polygon of a MultiPolygon. Corners of parts that meet in a later row
    band have different labels until the ship is closed.

    Attributes:
        corners: Arrays (corners, 3), see _Runs.corners.
        merges: Arrays (merges, 2) of labels of the same part.
    """

    corners: list[Ints] = field(default_factory=list)
    merges: list[Ints] = field(default_factory=list)

    def absorb(self, other: _Outline) -> None:
        self.corners.extend(other.corners)
        self.merges.extend(other.merges)


def _joined(new_number: Ints, outlines: list[_Outline]) -> dict[int, _Outline]:
    """Join the outlines of open ships that became one, by the new number of the ship."""
    joined: dict[int, _Outline] = {}
    # The longest first, so that a large ship is never copied into the small ones that it meets.
    for index in sorted(range(len(outlines)), key=lambda index: -len(outlines[index].corners)):
        outline = joined.setdefault(int(new_number[index]), outlines[index])
        if outline is not outlines[index]:
            outline.absorb(outlines[index])
    return joined


def _by_ship(ship: Ints, rows: Ints) -> Iterator[tuple[int, Ints]]:
    """Split an array into the rows of each ship, given the ship of each row."""
    order = np.argsort(ship, kind="stable")
    ship, rows = ship[order], rows[order]
    offsets = _changes(ship).tolist()
    for first, end in pairwise(offsets if ship.size else ()):
        yield int(ship[first]), rows[first:end].copy()  # a view would keep all rows alive


def _closed(ship: Ints, corners: Ints, outlines: dict[int, _Outline], is_open: Bools, sums: _Sums) -> list[Ship]:
    """Make the closed ships, from the corners of this row band (`ship`: the ship of each) and of earlier ones."""
    earlier = [(number, outline) for number, outline in outlines.items() if not is_open[number]]
    ship = np.concatenate([ship, *(np.full(len(chunk), number) for number, old in earlier for chunk in old.corners)])
    if not ship.size:
        return []
    corners = np.concatenate([corners, *(chunk for _, old in earlier for chunk in old.corners)])
    merges = [pairs for _, old in earlier for pairs in old.merges]
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
    """One label for each part, given pairs of labels of the same part."""
    numbers = np.unique(part)
    pairs = np.searchsorted(numbers, merges)
    return _components(numbers.size, [(pairs[:, 0], pairs[:, 1])])[np.searchsorted(numbers, part)]


def _polygons(ship: Ints, corners: Ints) -> tuple[Ints, NDArray[np.object_], Ints]:
    """Connect corners to rings: (numbers of the ships, their polygons, their order by last row and first pixel).

    Sides connect pairs of consecutive corners of the same part in a row, and in a column. Where a part touches itself
    by a corner, that vertex has two corners; the pairing separates the two rings that touch there, since a ring that
    touches itself would be invalid.
    """
    part, row, column = corners.T
    # The start of a run sorts before the end of another: of two corners at a vertex, the one with background on its
    # left gets the side to the left.
    order = np.lexsort((column, row >> 1, part, ship))
    ship, part, row, column = ship[order], part[order], row[order], column[order]
    by_column = np.lexsort((row, column >> 1, part))
    along = np.empty_like(by_column)
    along[by_column[::2]], along[by_column[1::2]] = by_column[1::2], by_column[::2]

    row, column = row >> 1, column >> 1
    path, ring_offsets = _rings(along)
    ring_first = path[ring_offsets[:-1]]
    # The first ring of a part has its topmost corner, so it is the exterior; the others are holes.
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
    """Follow the outlines from corner to corner, alternating along a row (2k and 2k + 1 are neighbours) and a column.

    Returns the corners of all rings, each with its first corner repeated at its end, and their offsets.
    """
    # Buffers instead of lists: as fast in Python loops, with a quarter of the memory.
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
    """Label the connected components of the nodes 0..count-1, from 0; (count,).

    Every round links each root that has a lower neighbour to the lowest one, which at least halves the roots of a
    component, so few rounds are needed.
    """
    root = np.arange(count)
    a, b = (np.concatenate(ends) for ends in zip(*links, strict=True))
    while True:
        a, b = root[a], root[b]
        different = a != b
        if not different.any():
            return np.asarray(np.unique(root, return_inverse=True)[1])
        a, b = a[different], b[different]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(root, root[root]):
            root = root[root]


def _equal_pairs(values: Ints) -> tuple[Ints, Ints]:
    """Pairs of indices that link all entries of equal value."""
    order = np.argsort(values, kind="stable")
    same = values[order[1:]] == values[order[:-1]]
    return order[:-1][same], order[1:][same]


def _contains(ascending: Ints, values: Ints) -> Bools:
    """Whether each value is in the ascending array."""
    index = np.minimum(np.searchsorted(ascending, values), ascending.size - 1)
    return np.asarray(ascending[index] == values)


def _changes(values: Ints) -> Ints:
    """Offsets of the runs of equal values, from 0 to the number of values."""
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1, [values.size]))
