"""Find whole ships in scores that come in row bands: joined across row bands, and split at necks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from geoships.output.necks import Splitter
from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand


class ShipFinder:
    """Finds whole ships in row bands, at one or several thresholds.

    Args:
        width: Columns of the scene.
        thresholds: Minimum scores of a ship pixel, 0 to 1; each threshold has its own ships.
        split: Split ships where a neck joins two wide parts.
    """

    def __init__(self, width: int, thresholds: Sequence[float], *, split: bool) -> None:
        self._thresholds = tuple(thresholds)
        self._builders = [ShipBuilder(width, threshold) for threshold in self._thresholds]
        self._splitter = Splitter(width) if split else None  # all thresholds share its buffer of rows

    def feed(self, band: RowBand) -> list[list[Ship]]:
        """Process the next row band.

        Args:
            band: The rows below those of the last call; the first band starts at row 0.

        Returns:
            For each threshold, the ships that end in this band.

        Raises:
            ValueError: For a band that is not as wide as the scene, or does not follow the last one.
        """
        ships = [self._split(builder.feed(band), threshold, band) for builder, threshold in self._pairs()]
        if self._splitter:
            self._splitter.remember(band)
        return ships

    def finish(self) -> list[list[Ship]]:
        """Return, for each threshold, the ships that reach the last row of the scene."""
        return [self._split(builder.finish(), threshold) for builder, threshold in self._pairs()]

    def _pairs(self) -> list[tuple[ShipBuilder, float]]:
        return list(zip(self._builders, self._thresholds, strict=True))

    def _split(self, ships: Iterable[Ship], threshold: float, band: RowBand | None = None) -> list[Ship]:
        return self._splitter.split(ships, threshold, band) if self._splitter else list(ships)
