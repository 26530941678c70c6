"""Clean, measure and filter whole ships."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shapely import MultiPolygon, Polygon

from geoships.output.attributes import NO_MARGIN, Margin, Measures, measure_all
from geoships.output.ships import Ship, simplified, without_small_holes
from geoships.scene.georeference import Georeference


@dataclass(frozen=True)
class DetectedShip:
    """A detected ship, as users get it.

    Attributes:
        polygon: Cleaned outline in pixel coordinates (column, row).
        measures: Of that outline.
        ship: The mask pixels that it was made of.
        class_prob: Score of the verifier, 0 to 1; None where none ran.
        fixed: Whether it is something that stands fixed, such as a platform.
        kind: Its class, by the number from 0 of the model's output.
    """

    polygon: Polygon | MultiPolygon
    measures: Measures
    ship: Ship
    class_prob: float | None = None
    kind: int = 0
    fixed: bool = False


@dataclass(frozen=True)
class ShipFilter:
    """Cleans, measures and filters ships, after they were joined across all tiles.

    Attributes:
        georeference: Of the scene.
        pixel_size: Size of the central pixel in metres, (across, down).
        min_area: Minimum area of a ship, in square metres.
        max_hole: Holes of less than this area are filled, in square metres.
        simplify: Tolerance of the simplification of outlines, in metres; 0 for none.
        min_peak: Minimum peak score of a ship, 0 to 1. With the lower threshold of the mask this is hysteresis
            thresholding (Canny 1986, A computational approach to edge detection).
        margin: Subtracted from lengths and widths.
    """

    georeference: Georeference
    pixel_size: tuple[float, float]
    min_area: float
    max_hole: float
    simplify: float
    min_peak: float = 0.0
    margin: Margin = NO_MARGIN

    def apply(self, ships: Iterable[Ship]) -> list[DetectedShip]:
        """Clean and measure ships, and drop those below the minimum area or the minimum peak score.

        Args:
            ships: Whole ships, in pixel coordinates.

        Returns:
            The remaining ships, in the same order.
        """
        peaked = [ship for ship in ships if ship.peak >= self.min_peak]
        polygons = [self._clean(ship.polygon) for ship in peaked]
        measures = measure_all(polygons, self.georeference, self.margin)
        cleaned = map(DetectedShip, polygons, measures, peaked)
        return [ship for ship in cleaned if self._area(ship) >= self.min_area]

    def _clean(self, polygon: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
        polygon = without_small_holes(polygon, self.max_hole / self._pixel_area)
        return simplified(polygon, self.simplify / max(self.pixel_size)) if self.simplify else polygon

    def _area(self, ship: DetectedShip) -> float:
        """Area in square metres, from the central pixel's size where the scene is not georeferenced."""
        area = ship.measures.area_m2
        return area if area is not None else ship.polygon.area * self._pixel_area

    @property
    def _pixel_area(self) -> float:
        return self.pixel_size[0] * self.pixel_size[1]
