"""One labelled scene, looked at by a model: found ships beside labels, and scores beside pixels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.evaluation.land_distance import land_distances, read_land
from geoships.metrics.comparison import Comparison, compare
from geoships.metrics.counts import ObjectCounts
from geoships.metrics.scores import ScoreCounts
from geoships.model.bundle import Bundle
from geoships.output.attributes import Measures, measure_all
from geoships.output.ship_filter import KeptShip
from geoships.output.ship_finder import ShipFinder
from geoships.output.ships import Ship
from geoships.pipeline.messages import announce
from geoships.pipeline.scene_run import SceneRun, open_run
from geoships.scene.georeference import Georeference
from geoships.scene.layers.labelled_files import LabelledFiles
from geoships.scene.layers.labels import Labels, read_labels
from geoships.scene.tiling.windows import Window
from geoships.support.memory import release_memory
from geoships.support.progress import Progress

CURVE_IOU = 0.3  # at which ships are matched over the thresholds, and for errors of length and heading


@dataclass(frozen=True)
class LabelledShip:
    """A labelled ship, or the part of it in the scene: in pixel coordinates, with its measures."""

    polygon: Polygon | MultiPolygon
    measures: Measures


@dataclass(frozen=True)
class JudgedScene:
    """What a model finds in a scene beside what is there.

    georeference: of the scene.
    found: exactly the ships that `geoships.predict` returns. labels: the labelled ones. comparison: of the two.
    label_land, found_land: metres of each from land; None without a land layer.
    scores: of the pixels. curve: ships at each of the scores' thresholds, matched one to one at CURVE_IOU.
    """

    files: LabelledFiles
    georeference: Georeference
    found: tuple[KeptShip, ...]
    labels: tuple[LabelledShip, ...]
    comparison: Comparison
    label_land: tuple[float, ...] | None
    found_land: tuple[float, ...] | None
    scores: ScoreCounts
    curve: tuple[ObjectCounts, ...]


def judge_scene(
    files: LabelledFiles, thresholds: Sequence[float], *, config: PredictConfig, model: Bundle, progress: Progress
) -> JudgedScene:
    """Run a scene through a model, once, and compare what comes out with the labels.

    thresholds: ascending; the one that is used for ships is added. Raises GeoshipsError.
    """
    with open_run(files.scene, config=config, model=model) as run:
        announce(run, progress)
        card = model.card
        only = None if card.label_value is None else (card.label_value, card.classes[0].name)
        labels = _clipped(read_labels(files.labels, run.georeference, files.ignore, only), run.scene.window)
        land = read_land(files.land, run.georeference) if files.land else None
        steps = sorted({*thresholds, run.threshold})
        own = steps.index(run.threshold)
        scores, ships = _run(run, labels, steps, progress)
        kept = [tuple(run.keep(found)) for found in ships]
        ignored = shapely.union_all(list(labels.ignored))
        outlines = [_polygon(ship) for ship in labels.ships]
        compared = [compare([ship.polygon for ship in found], labels.ships, ignored) for found in kept]

        def from_land(polygons: Sequence[BaseGeometry]) -> tuple[float, ...] | None:
            return None if land is None else tuple(land_distances(polygons, land, run.pixel_size))

        return JudgedScene(
            files=files,
            georeference=run.georeference,
            found=kept[own],
            labels=tuple(map(LabelledShip, outlines, measure_all(outlines, run.georeference, run.margin))),
            comparison=compared[own],
            label_land=from_land(labels.ships),
            found_land=from_land([ship.polygon for ship in kept[own]]),
            scores=scores,
            curve=tuple(comparison.one_to_one(CURVE_IOU) for comparison in compared),
        )


def _run(
    run: SceneRun, labels: Labels, thresholds: Sequence[float], progress: Progress
) -> tuple[ScoreCounts, list[list[Ship]]]:
    """Scores of the pixels, and the ships at each threshold; nothing of the scene's size is kept."""
    width = run.scene.window.width
    scores = ScoreCounts.none(thresholds)
    finder = ShipFinder(width, thresholds, split=run.config.split)
    ships: list[list[Ship]] = [[] for _ in thresholds]
    with closing(run.bands()) as bands:
        for band in bands:
            scores.feed(band.scores, band.valid, labels.mask(Window(band.row, 0, len(band.scores), width)))
            for found, new in zip(ships, finder.feed(band), strict=True):
                found += new
            progress.advance(band.valid.size)
            release_memory()
    for found, new in zip(ships, finder.finish(), strict=True):
        found += new
    return scores, ships


def _clipped(labels: Labels, scene: Window) -> Labels:
    """Labels with the parts of the ships that lie in the scene."""
    box = shapely.box(0, 0, scene.width, scene.height)
    inside = (_polygon(shapely.intersection(ship, box)) for ship in labels.ships if ship.intersects(box))
    return replace(labels, ships=tuple(ship for ship in inside if ship.area))


def _polygon(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The parts of a geometry that have an area: repaired outlines may also hold lines and points."""
    polygons = [part for part in shapely.get_parts(shapely.get_parts(geometry)) if isinstance(part, Polygon)]
    together = polygons[0] if len(polygons) == 1 else shapely.union_all(polygons)
    return together if isinstance(together, Polygon | MultiPolygon) else Polygon()
