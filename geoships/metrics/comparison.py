"""Found ships beside the labelled ones of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from geoships.metrics.counts import ObjectCounts
from geoships.metrics.matching import Overlaps, mostly_within, overlaps

_NOTHING = Polygon()


@dataclass(frozen=True)
class Comparison:
    """Found and labelled ships of one scene, in pixel coordinates.

    true, found: how many there are. pairs: those that share area.
    ignored: (found,), whether a found ship lies mostly in parts that say nothing about ships.
    """

    true: int
    found: int
    pairs: Overlaps
    ignored: NDArray[np.bool_]

    def one_to_one(self, min_iou: float, *, ignore: bool = True) -> ObjectCounts:
        """Count ships that are matched one to one at an IoU.

        ignore: unmatched found ships in ignored parts do not count.
        """
        return self._counts(self.pairs.one_to_one(min_iou), ignore)

    def touched(self, *, ignore: bool = True) -> ObjectCounts:
        """Count ships that share any area with one of the other kind, however many they share it with."""
        return self._counts(self.pairs, ignore)

    def false(self, min_iou: float) -> list[int]:
        """Indices of the found ships that match no label one to one and are not ignored."""
        unmatched = np.setdiff1d(np.arange(self.found), self.pairs.one_to_one(min_iou).found)
        return [int(index) for index in unmatched if not self.ignored[index]]

    def missed(self, min_iou: float) -> list[int]:
        """Indices of the labelled ships that no found one matches one to one."""
        return [int(i) for i in np.setdiff1d(np.arange(self.true), self.pairs.one_to_one(min_iou).true)]

    def _counts(self, matched: Overlaps, ignore: bool) -> ObjectCounts:
        right = np.unique(matched.found)
        dropped = int(self.ignored.sum() - self.ignored[right].sum()) if ignore else 0
        return ObjectCounts(self.true, self.found - dropped, np.unique(matched.true).size, right.size)


def compare(
    found: Sequence[BaseGeometry], true: Sequence[BaseGeometry], ignored: BaseGeometry = _NOTHING
) -> Comparison:
    """Compare found ships with labels, all as valid polygons in pixel coordinates.

    ignored: what says nothing about ships, in one geometry.
    """
    return Comparison(len(true), len(found), overlaps(found, true), mostly_within(found, ignored))
