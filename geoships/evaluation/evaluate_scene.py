"""Evaluate a model on one labelled scene: predicted ships with labelled ships, and pixel scores with labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.special import expit, logit
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.evaluation.land_distance import land_distances, read_land
from geoships.metrics.blocks import BlockCounts
from geoships.metrics.comparison import Comparison, compare
from geoships.metrics.counts import ObjectCounts
from geoships.metrics.scores import ScoreCounts
from geoships.model.bundle import Bundle
from geoships.output.attributes import Measures, measure_all
from geoships.output.ship_filter import DetectedShip
from geoships.output.ship_finder import ShipFinder
from geoships.output.ships import Ship
from geoships.output.stitch import RowBand
from geoships.pipeline.find_ships import own_pixels
from geoships.pipeline.messages import announce
from geoships.pipeline.scene_run import SceneRun, open_run
from geoships.scene.georeference import Georeference
from geoships.scene.layers.label_classes import LabelClasses
from geoships.scene.layers.labelled_files import LabelledFiles
from geoships.scene.layers.labels import Labels, read_labels
from geoships.scene.layers.polygons import PolygonLayer
from geoships.scene.tiling.windows import Window
from geoships.support.memory import release_memory
from geoships.support.progress import Progress

PEAKS = tuple(round(float(peak), 4) for peak in expit(np.linspace(logit(0.5), logit(0.999), 13)))
BLOCK = 1000.0  # metres a side of the blocks of pixels that a bootstrap draws; longer than ships, so that few are cut
CURVE_IOU = 0.3  # minimum IoU of a match in the metrics by threshold, and for errors of length and heading


@dataclass(frozen=True)
class LabelledShip:
    """A labelled ship, or the part of it inside the scene.

    Attributes:
        polygon: Outline in pixel coordinates (column, row).
        measures: Of the outline.
    """

    polygon: Polygon | MultiPolygon
    measures: Measures


@dataclass(frozen=True)
class EvaluatedScene:
    """The predicted and the labelled ships of a scene, and its pixel scores.

    Attributes:
        files: The scene and its layers.
        georeference: Of the scene.
        found: The predicted ships, the same as those of `geoships.predict`.
        labels: The labelled ships.
        comparison: Of the predicted and the labelled ships.
        label_land: Distance of each labelled ship to land in metres; None without a land layer.
        found_land: Distance of each predicted ship to land in metres; None without a land layer.
        scores: Pixel scores by label.
        curve: Counts of ships at each threshold of `scores`, matched one to one at CURVE_IOU.
        blocks: Pixels of the mask by blocks of BLOCK metres a side.
        peaks: Counts of ships by minimum peak score, at the threshold of the run, matched one to one at CURVE_IOU.
        grid: The same at each threshold of `scores`.
    """

    files: LabelledFiles
    georeference: Georeference
    found: tuple[DetectedShip, ...]
    labels: tuple[LabelledShip, ...]
    comparison: Comparison
    label_land: tuple[float, ...] | None
    found_land: tuple[float, ...] | None
    scores: ScoreCounts
    curve: tuple[ObjectCounts, ...]
    blocks: BlockCounts
    peaks: dict[float, ObjectCounts]
    grid: tuple[dict[float, ObjectCounts], ...]


def evaluate_scene(
    files: LabelledFiles, thresholds: Sequence[float], *, config: PredictConfig, model: Bundle, progress: Progress
) -> tuple[EvaluatedScene, ...]:
    """Run a scene through a model once, and compare the prediction with the labels.

    Args:
        files: The scene and its layers.
        thresholds: Ascending thresholds of the curve, 0 to 1; the threshold of the run is added.
        config: Settings of the prediction.
        model: The bundle.
        progress: Reports the progress.

    Returns:
        The evaluated scene, once for each class of the model.

    Raises:
        GeoshipsError: Where a file cannot be read, or the labels are of another place.
    """
    with open_run(files.scene, config=config, model=model) as run:
        announce(run, progress)
        labels = _clipped(_labels(run, files), run.scene.window)
        layer = read_land(files.land, run.georeference) if files.land else None
        land = None if layer is None else layer.polygons
        for text in (*labels.warnings, *_land_warnings(files, layer)):
            progress.warn(text)
        passes = _find_components(run, labels, thresholds, progress)
        ignored = shapely.union_all(list(labels.ignored))
        return tuple(
            _evaluate_class(run, files, labels.of_class(kind), ignored, land, done) for kind, done in enumerate(passes)
        )


def _labels(run: SceneRun, files: LabelledFiles) -> Labels:
    card = run.bundle.card
    only = None if card.label_value is None else (card.label_value, card.classes[0].name)
    members = tuple((found.name, found.value) for found in run.object_class.members)
    classes = LabelClasses(card.label_field, members) if card.several else None
    return read_labels(files.labels, run.georeference, files.ignore, only, classes)


def _evaluate_class(
    run: SceneRun,
    files: LabelledFiles,
    labels: Labels,
    ignored: BaseGeometry,
    land: Sequence[BaseGeometry] | None,
    done: _ClassPass,
) -> EvaluatedScene:
    """Compare the objects of one class with its labels."""
    current = done.thresholds.index(done.threshold)
    by_threshold = [_found(run, ships, labels.ships, ignored) for ships in done.ships]
    found, comparison, peaks = by_threshold[current]
    grid = tuple(counts for _, _, counts in by_threshold)
    outlines = [_polygon(ship) for ship in labels.ships]

    def distances(polygons: Sequence[BaseGeometry]) -> tuple[float, ...] | None:
        return None if land is None else tuple(land_distances(polygons, land, run.pixel_size))

    return EvaluatedScene(
        files=files,
        georeference=run.georeference,
        found=tuple(replace(ship, kind=done.kind) for ship in found),
        labels=tuple(map(LabelledShip, outlines, measure_all(outlines, run.georeference, run.margin))),
        comparison=comparison,
        label_land=distances(labels.ships),
        found_land=distances([ship.polygon for ship in found]),
        scores=done.scores,
        curve=tuple(counts[run.min_peak] for counts in grid),
        blocks=done.blocks,
        peaks=peaks,
        grid=grid,
    )


def _land_warnings(files: LabelledFiles, land: PolygonLayer | None) -> tuple[str, ...]:
    """What was left out of a land layer, and that it is far from the scene; one beside the scene has distances."""
    if land is None or land.polygons or not land.apart:
        return land.warnings if land else ()
    return (*land.warnings, f"the land layer {files.land} is far from the scene {files.name}; {land.apart}")


class _ClassPass:
    """Pixel scores of one class by label, and its connected sets of pixels at each threshold.

    Args:
        run: The run.
        kind: Number of the class.
        thresholds: Ascending thresholds of the curve; that of the run is added.
    """

    def __init__(self, run: SceneRun, kind: int, thresholds: Sequence[float]) -> None:
        self.kind, self.threshold = kind, run.thresholds[kind]
        self.thresholds = sorted({*thresholds, self.threshold})
        self.scores = ScoreCounts.none(self.thresholds)
        side = max(1, round(BLOCK / min(run.pixel_size)))
        self.blocks = BlockCounts(run.scene.window.shape, side, self.threshold)
        self.ships: list[list[Ship]] = [[] for _ in self.thresholds]
        self._finder = ShipFinder(run.scene.window.width, self.thresholds, split=run.config.split)

    def feed(self, band: RowBand, own: RowBand, label: NDArray[np.uint8]) -> None:
        """Add a row band. own: as objects are made of it, see `own_pixels`. label: (rows, columns)."""
        self.scores.feed(band.scores, band.valid, label, own.scores)
        self.blocks.feed(band.row, own.scores, band.valid, label)
        self._add(self._finder.feed(own))

    def finish(self) -> None:
        """Add what reaches the last row."""
        self._add(self._finder.finish())

    def _add(self, ships: list[list[Ship]]) -> None:
        for at_threshold, new in zip(self.ships, ships, strict=True):
            at_threshold += new


def _find_components(
    run: SceneRun, labels: Labels, thresholds: Sequence[float], progress: Progress
) -> list[_ClassPass]:
    """Send the scene through the model once, for all classes; one row band is in memory."""
    passes = [_ClassPass(run, kind, thresholds) for kind in range(len(run.thresholds))]
    with closing(run.bands()) as several:
        for bands in several:
            window = Window(bands[0].row, 0, *bands[0].scores.shape)
            masks = labels.masks(window, len(passes), exclusive=run.exclusive)
            for each, band, own, label in zip(passes, bands, own_pixels(run, bands), masks, strict=True):
                each.feed(band, own, label)
            progress.advance(bands[0].valid.size)
            release_memory()
    for each in passes:
        each.finish()
    return passes


def _found(
    run: SceneRun, components: Sequence[Ship], labels: Sequence[BaseGeometry], ignored: BaseGeometry
) -> tuple[tuple[DetectedShip, ...], Comparison, dict[float, ObjectCounts]]:
    """The ships among the components at a threshold, their comparison with labels, and counts by minimum peak score."""
    min_peaks = sorted({*PEAKS, run.min_peak})
    lowest = replace(run, config=run.config.model_copy(update={"min_peak": min_peaks[0]}))
    candidates = lowest.keep(components)
    peak = np.array([ship.ship.peak for ship in candidates])
    comparison = compare([ship.polygon for ship in candidates], labels, ignored)
    counts = {
        min_peak: comparison.with_predicted(peak >= min_peak).one_to_one(CURVE_IOU) for min_peak in min_peaks
    }  # fmt: skip
    found = tuple(ship for ship in candidates if ship.ship.peak >= run.min_peak)
    return found, comparison.with_predicted(peak >= run.min_peak), counts


def _clipped(labels: Labels, scene: Window) -> Labels:
    """Clip the labelled ships to the scene."""
    box = shapely.box(0, 0, scene.width, scene.height)
    parts = [_polygon(shapely.intersection(ship, box)) for ship in labels.ships]
    kept = [number for number, part in enumerate(parts) if part.area]
    kinds = tuple(labels.kinds[number] for number in kept) if labels.kinds else ()
    return replace(labels, ships=tuple(parts[number] for number in kept), kinds=kinds)


def _polygon(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The polygons of a geometry, without the lines and points that repaired outlines may have."""
    polygons = [part for part in shapely.get_parts(shapely.get_parts(geometry)) if isinstance(part, Polygon)]
    union = polygons[0] if len(polygons) == 1 else shapely.union_all(polygons)
    return union if isinstance(union, Polygon | MultiPolygon) else Polygon()
