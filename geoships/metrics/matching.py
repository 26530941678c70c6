"""Which found ship is which labelled one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Overlaps:
    """All pairs of a found and a labelled ship that share some area.

    found, true: index of the pair's found and labelled ship; iou: their intersection over union, above 0; all (pairs,).
    """

    found: Ints
    true: Ints
    iou: Floats

    def where(self, chosen: NDArray[np.bool_] | Ints) -> Overlaps:
        """Some of the pairs."""
        return Overlaps(self.found[chosen], self.true[chosen], self.iou[chosen])

    def one_to_one(self, min_iou: float) -> Overlaps:
        """Pairs with an IoU of at least `min_iou` in which no ship occurs twice, of the greatest total IoU.

        Ships that no chain of such pairs joins are assigned apart from each other, by scipy's
        linear_sum_assignment (Crouse 2016, On implementing 2D rectangular assignment algorithms).
        """
        able = self.where(self.iou >= min_iou)
        kept = [group[_assign(able.where(group))] for group in able._groups()]
        return able.where(np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.intp))

    def _groups(self) -> Iterator[Ints]:
        """Indices of the pairs of each connected set of ships."""
        if not self.iou.size:
            return
        offset = int(self.found.max()) + 1  # labelled ships are nodes behind the found ones
        count = offset + int(self.true.max()) + 1
        edges = coo_array((np.ones(self.iou.size), (self.found, self.true + offset)), (count, count))
        group = connected_components(edges, directed=False)[1][self.found]
        order = np.argsort(group, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _assign(pairs: Overlaps) -> Ints:
    """Indices of the pairs of a connected set that an assignment takes."""
    found, row = np.unique(pairs.found, return_inverse=True)
    true, column = np.unique(pairs.true, return_inverse=True)
    iou, index = np.zeros((found.size, true.size)), np.full((found.size, true.size), -1)
    iou[row, column], index[row, column] = pairs.iou, np.arange(pairs.iou.size)
    taken = index[linear_sum_assignment(iou, maximize=True)]
    return np.asarray(taken[taken >= 0], np.intp)  # the others fill the assignment and share no area


def overlaps(found: Sequence[BaseGeometry], true: Sequence[BaseGeometry]) -> Overlaps:
    """Pairs of polygons that share area; all valid, and in one plane CRS or in pixels."""
    found_array, true_array = np.array(found, dtype=object), np.array(true, dtype=object)
    i, j = shapely.STRtree(true_array).query(found_array, predicate="intersects")
    common = shapely.area(shapely.intersection(found_array[i], true_array[j]))
    union = shapely.area(found_array[i]) + shapely.area(true_array[j]) - common
    pairs = Overlaps(np.asarray(i, np.intp), np.asarray(j, np.intp), common / union)
    return pairs.where(pairs.iou > 0)


def mostly_within(ships: Sequence[BaseGeometry], part: BaseGeometry) -> NDArray[np.bool_]:
    """Whether at least half of each ship's area lies in a part of the scene, (ships,)."""
    polygons, inside = np.array(ships, dtype=object), np.zeros(len(ships))
    shapely.prepare(part)
    near = np.flatnonzero(shapely.intersects(part, polygons))
    inside[near] = shapely.area(shapely.intersection(polygons[near], part))
    return np.asarray(inside >= 0.5 * shapely.area(polygons))
