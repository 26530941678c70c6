"""Whole ships that are kept: cleaned, measured, and not too small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shapely import MultiPolygon, Polygon

from geoships.output.attributes import NO_MARGIN, Margin, Measures, measure_all
from geoships.output.ships import Ship, simplified, without_small_holes
from geoships.scene.georeference import Georeference


@dataclass(frozen=True)
class KeptShip:
    """A found ship that the user gets.

    polygon: its outline as it is handed out, in pixel coordinates (column, row). measures: of that outline.
    ship: the mask pixels that it was made of. class_prob: a verifier's score from 0 to 1; None where none ran.
    """

    polygon: Polygon | MultiPolygon
    measures: Measures
    ship: Ship
    class_prob: float | None = None


@dataclass(frozen=True)
class ShipFilter:
    """What becomes of whole ships, after they were joined across every seam.

    pixel_size: metres of the central pixel (across, down).
    min_area: smallest ship, and max_hole: largest hole that is filled, in square metres.
    simplify: metres that an outline may move to have fewer corners.
    min_peak: score that one pixel of a ship has to reach. With the lower threshold of the mask this is hysteresis
        thresholding (Canny 1986, A computational approach to edge detection).
    margin: is taken off lengths and widths.
    """

    georeference: Georeference
    pixel_size: tuple[float, float]
    min_area: float
    max_hole: float
    simplify: float
    min_peak: float = 0.0
    margin: Margin = NO_MARGIN

    def keep(self, ships: Iterable[Ship]) -> list[KeptShip]:
        """Return the ships of at least the minimum area and peak, in their order."""
        peaking = [ship for ship in ships if ship.peak >= self.min_peak]
        polygons = [self._clean(ship.polygon) for ship in peaking]
        measures = measure_all(polygons, self.georeference, self.margin)
        cleaned = map(KeptShip, polygons, measures, peaking)
        return [kept for kept in cleaned if self._area(kept) >= self.min_area]

    def _clean(self, polygon: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
        polygon = without_small_holes(polygon, self.max_hole / self._pixel_area)
        return simplified(polygon, self.simplify / max(self.pixel_size)) if self.simplify else polygon

    def _area(self, kept: KeptShip) -> float:
        """Square metres, by the central pixel's size where there is no place on Earth."""
        area = kept.measures.area_m2
        return area if area is not None else kept.polygon.area * self._pixel_area

    @property
    def _pixel_area(self) -> float:
        return self.pixel_size[0] * self.pixel_size[1]
