"""Ships of a scene whose scores come in row bands: joined across every seam, and cut at their necks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from geoships.output.necks import Splitter
from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand


class ShipFinder:
    """Finds whole ships at one or several thresholds while row bands come in.

    Args:
        width: columns of the scene.
        thresholds: minimum scores of a ship pixel, 0 to 1; ships are found for each by itself.
        split: cut ships where a neck joins two wide parts.

    """

    def __init__(self, width: int, thresholds: Sequence[float], *, split: bool) -> None:
        self._thresholds = tuple(thresholds)
        self._builders = [ShipBuilder(width, threshold) for threshold in self._thresholds]
        self._splitter = Splitter(width) if split else None  # the rows that it keeps serve all thresholds

    def feed(self, band: RowBand) -> list[list[Ship]]:
        """Take in the rows below those fed so far.

        Returns:
            For each threshold, the ships that can no longer grow.

        Raises:
            ValueError: the band is not as wide as the scene, or does not follow the one before it.

        """
        ships = [self._cut(builder.feed(band), at, band) for builder, at in self._each()]
        if self._splitter:
            self._splitter.remember(band)
        return ships

    def finish(self) -> list[list[Ship]]:
        """For each threshold, the ships that reach the last row fed, which is the last of the scene."""
        return [self._cut(builder.finish(), at) for builder, at in self._each()]

    def _each(self) -> list[tuple[ShipBuilder, float]]:
        return list(zip(self._builders, self._thresholds, strict=True))

    def _cut(self, ships: Iterable[Ship], threshold: float, band: RowBand | None = None) -> list[Ship]:
        return self._splitter.split(ships, threshold, band) if self._splitter else list(ships)
