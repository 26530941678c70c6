"""Compare the predicted ships of one scene with the labelled ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from geoships.metrics.counts import ObjectCounts
from geoships.metrics.intervals import Units
from geoships.metrics.matching import Overlaps, mostly_within, overlaps

_NOTHING = Polygon()


@dataclass(frozen=True)
class Comparison:
    """Predicted and labelled ships of one scene.

    Attributes:
        labelled: Number of labelled ships.
        predicted: Number of predicted ships.
        pairs: All pairs of a predicted and a labelled ship that overlap.
        ignored: Whether at least half of each predicted ship is in ignored parts of the scene, (predicted,).
    """

    labelled: int
    predicted: int
    pairs: Overlaps
    ignored: NDArray[np.bool_]

    def one_to_one(self, min_iou: float, *, ignore: bool = True) -> ObjectCounts:
        """Count ships that are matched one to one.

        Args:
            min_iou: Minimum IoU of a match.
            ignore: Leave out unmatched predicted ships in ignored parts.

        Returns:
            Counts in which each match is one predicted and one labelled ship.
        """
        return self._counts(self.pairs.one_to_one(min_iou), ignore)

    def touched(self, *, ignore: bool = True) -> ObjectCounts:
        """Count ships that overlap a ship of the other kind at all; one ship may overlap several.

        Args:
            ignore: Leave out unmatched predicted ships in ignored parts.

        Returns:
            The counts.
        """
        return self._counts(self.pairs, ignore)

    def touched_units(self, *, ignore: bool = True) -> Units:
        """The units of a bootstrap of `touched`: sets of ships that overlap, and single ships that overlap none.

        Args:
            ignore: Leave out unmatched predicted ships in ignored parts.

        Returns:
            They count labelled ships, predicted ships, matched labels and matched predictions.
        """
        touched, sets = self.touched(ignore=ignore), self.pairs.connected()
        rows = [(labels, predictions, labels, predictions) for labels, predictions in sets]
        rows += [(1, 0, 0, 0)] * (touched.labelled - touched.matched_labels)
        rows += [(0, 1, 0, 0)] * (touched.predicted - touched.matched_predictions)
        return Units.of(np.array(rows, np.int64).reshape(-1, 4))

    def with_predicted(self, chosen: NDArray[np.bool_]) -> Comparison:
        """The comparison of some of the predicted ships with all labelled ships.

        Args:
            chosen: Whether a predicted ship remains, (predicted,).
        """
        pairs = self.pairs.select(chosen[self.pairs.predicted])
        number = np.cumsum(chosen) - 1
        renumbered = Overlaps(np.asarray(number[pairs.predicted], np.intp), pairs.labelled, pairs.iou)
        return Comparison(self.labelled, int(chosen.sum()), renumbered, self.ignored[chosen])

    def false_positives(self, min_iou: float) -> list[int]:
        """Indices of the predicted ships that match no label one to one at `min_iou` and are not ignored."""
        unmatched = np.setdiff1d(np.arange(self.predicted), self.pairs.one_to_one(min_iou).predicted)
        return [int(index) for index in unmatched if not self.ignored[index]]

    def missed(self, min_iou: float) -> list[int]:
        """Indices of the labelled ships that no predicted ship matches one to one at `min_iou`."""
        return [int(i) for i in np.setdiff1d(np.arange(self.labelled), self.pairs.one_to_one(min_iou).labelled)]

    def _counts(self, matched: Overlaps, ignore: bool) -> ObjectCounts:
        predicted = np.unique(matched.predicted)
        dropped = int(self.ignored.sum() - self.ignored[predicted].sum()) if ignore else 0
        labelled = np.unique(matched.labelled)
        return ObjectCounts(self.labelled, self.predicted - dropped, labelled.size, predicted.size)


def compare(
    predicted: Sequence[BaseGeometry], labelled: Sequence[BaseGeometry], ignored: BaseGeometry = _NOTHING
) -> Comparison:
    """Compare predicted ships with labelled ships.

    Args:
        predicted: Valid polygons in pixel coordinates (column, row).
        labelled: Valid polygons in pixel coordinates.
        ignored: Parts of the scene without labels, as one geometry in pixel coordinates.

    Returns:
        The comparison.
    """
    pairs = overlaps(predicted, labelled)
    return Comparison(len(labelled), len(predicted), pairs, mostly_within(predicted, ignored))
