"""Match predicted ships with labelled ships."""

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
    """Pairs of a predicted and a labelled ship that overlap.

    Attributes:
        predicted: Index of the predicted ship, (pairs,).
        labelled: Index of the labelled ship, (pairs,).
        iou: Intersection over union, above 0, (pairs,).
    """

    predicted: Ints
    labelled: Ints
    iou: Floats

    def select(self, selection: NDArray[np.bool_] | Ints) -> Overlaps:
        """Select pairs by a boolean mask or by indices."""
        return Overlaps(self.predicted[selection], self.labelled[selection], self.iou[selection])

    def one_to_one(self, min_iou: float) -> Overlaps:
        """Match ships one to one: the assignment of pairs that has the highest total IoU.

        Connected sets of ships are assigned independently, by scipy's linear_sum_assignment (Crouse 2016, On
        implementing 2D rectangular assignment algorithms).

        Args:
            min_iou: Minimum IoU of a match.

        Returns:
            Pairs in which no ship occurs twice.
        """
        candidates = self.select(self.iou >= min_iou)
        matches = [group[_assign(candidates.select(group))] for group in candidates._groups()]
        return candidates.select(np.sort(np.concatenate(matches)) if matches else np.zeros(0, np.intp))

    def connected(self) -> list[tuple[int, int]]:
        """Numbers of labelled and predicted ships in each connected set of ships."""
        groups = map(self.select, self._groups())
        return [(np.unique(group.labelled).size, np.unique(group.predicted).size) for group in groups]

    def _groups(self) -> Iterator[Ints]:
        """Indices of the pairs of each connected set of ships."""
        if not self.iou.size:
            return
        offset = int(self.predicted.max()) + 1  # node numbers of labelled ships follow those of predicted ships
        count = offset + int(self.labelled.max()) + 1
        edges = coo_array((np.ones(self.iou.size), (self.predicted, self.labelled + offset)), (count, count))
        group = connected_components(edges, directed=False)[1][self.predicted]
        order = np.argsort(group, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _assign(pairs: Overlaps) -> Ints:
    """Indices of the pairs of a connected set that the optimal assignment uses."""
    predicted, row = np.unique(pairs.predicted, return_inverse=True)
    labelled, column = np.unique(pairs.labelled, return_inverse=True)
    shape = predicted.size, labelled.size
    iou, index = np.zeros(shape), np.full(shape, -1)
    iou[row, column], index[row, column] = pairs.iou, np.arange(pairs.iou.size)
    assigned = index[linear_sum_assignment(iou, maximize=True)]
    return np.asarray(assigned[assigned >= 0], np.intp)  # -1: the assignment is complete, so it has pairs of IoU 0


def overlaps(predicted: Sequence[BaseGeometry], labelled: Sequence[BaseGeometry]) -> Overlaps:
    """Find all pairs of predicted and labelled ships that overlap.

    Args:
        predicted: Valid polygons, in one projected CRS or in pixels.
        labelled: Valid polygons, likewise.

    Returns:
        The pairs with their IoU.
    """
    predicted_array, labelled_array = np.array(predicted, dtype=object), np.array(labelled, dtype=object)
    i, j = shapely.STRtree(labelled_array).query(predicted_array, predicate="intersects")
    common = shapely.area(shapely.intersection(predicted_array[i], labelled_array[j]))
    union = shapely.area(predicted_array[i]) + shapely.area(labelled_array[j]) - common
    pairs = Overlaps(np.asarray(i, np.intp), np.asarray(j, np.intp), common / union)
    return pairs.select(pairs.iou > 0)


def mostly_within(ships: Sequence[BaseGeometry], part: BaseGeometry) -> NDArray[np.bool_]:
    """Whether at least half of each ship's area is within a part of the scene, (ships,)."""
    polygons, inside = np.array(ships, dtype=object), np.zeros(len(ships))
    shapely.prepare(part)
    near = np.flatnonzero(shapely.intersects(part, polygons))
    inside[near] = shapely.area(shapely.intersection(polygons[near], part))
    return np.asarray(inside >= 0.5 * shapely.area(polygons))
