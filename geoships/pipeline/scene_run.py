"""One run: a scene, a model, and all that follows from the two."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geoships.config import PredictConfig
from geoships.errors import SceneError
from geoships.model.bundle import Bundle, load_bundle
from geoships.model.card import Card, OperatingPoint
from geoships.model.engines.base import Engine, Scores, run
from geoships.model.engines.choose import EngineCache, EngineChoice, Precision, choose_engine
from geoships.model.engines.device import choose_device
from geoships.model.engines.opened import OPEN_ENGINES
from geoships.model.inputs import prepare_samples
from geoships.model.installed import choose_model
from geoships.model.screen import screen_of, skip_empty_tiles
from geoships.output.attributes import Margin
from geoships.output.classes import Detected, ObjectClass, ObjectClasses, class_of, rgb_of
from geoships.output.same_outline import Outlines
from geoships.output.ship_filter import DetectedShip, ShipFilter
from geoships.output.ships import Ship
from geoships.output.stitch import RowBand, Stitcher, in_step
from geoships.pipeline.fixed import mark_fixed, read_fixed
from geoships.pipeline.memory_need import limit_of
from geoships.pipeline.run_mark import Searched
from geoships.pipeline.run_plan import RunPlan, odd_pixel_size, plan_run, scene_pixel_size
from geoships.pipeline.scored_tile import ScoredTile
from geoships.pipeline.seen import Seen
from geoships.pipeline.verify import Verifier, choose_verifier
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import Area, read_area
from geoships.scene.layers.land import Land, MaskLand, read_land
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import SceneFile, scene_file
from geoships.scene.opening.raster import public_name
from geoships.scene.reader import Reading, Scene, open_scene
from geoships.scene.streaming import TileCounts, stream_tiles
from geoships.scene.tiles import Sample
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window

if TYPE_CHECKING:
    from geoships.scene.layers.vector_file import VectorLayer

_log = logging.getLogger(__name__)

EMULATED = "PyTorch emulates bfloat16 here, which is slower than float32; use --precision auto"


@dataclass(frozen=True)
class Layers:
    """Vector files, or tables, that say where to look.

    Attributes:
        area: the part of the scene to look at; None: all of it.
        land: tiles on it are skipped; None: no layer of land.

    """

    area: VectorLayer | None = None
    land: VectorLayer | None = None

    @classmethod
    def of(cls, config: PredictConfig) -> Layers:
        """The files that settings name."""
        return cls(config.area, config.land)


RowSource = Callable[["SceneRun"], Generator[tuple[RowBand, ...]]]


@dataclass
class SceneRun:
    """What a run is; `open_run` makes it.

    Attributes:
        scene: the open scene.
        bundle: the model. why: it was taken.
        config: the settings of the user.
        engine: what computes, and in what precision.
        pixel_size: metres of a scene pixel (across columns, down rows).
        plan: the tiles.
        area: the part of the scene to look at; None: all of it.
        lands: layers of land; tiles on any of them are skipped.
        screen: finds tiles that cannot hold a ship; None: none is used.
        verifier: a classifier that scores each ship again; None: none is used.
        warnings: what was assumed on the way.
        engines: stay open for the scenes to come; None: those that this process used last.
        source: where finished rows of scores come from; None: they are computed here.
        counts: what became of the tiles, once `bands` has run.
        timings: seconds of each part of the run, see `timed`.
        seen: data and clouds that were seen, once `bands` has run.
        fixed: what is known to stand fixed; None: nothing is marked.
        found_fixed: number of detections that were marked, or left out, once the ships are found.

    """

    scene: Scene
    bundle: Bundle
    why: str
    config: PredictConfig
    engine: EngineChoice
    pixel_size: tuple[float, float]
    plan: RunPlan
    area: Area | None
    lands: tuple[Land, ...]
    screen: Bundle | None
    verifier: Verifier | None
    warnings: tuple[str, ...]
    engines: EngineCache | None = None
    source: RowSource | None = None
    counts: TileCounts = field(default_factory=TileCounts)
    timings: dict[str, float] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    fixed: Outlines | None = None
    found_fixed: int = 0

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the seconds of the block to a part of the run."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[part] = self.timings.get(part, 0.0) + time.monotonic() - started

    @property
    def searched(self) -> Searched:
        """Where the run looks for ships."""
        return Searched(self.scene.window, self.area, self.lands)

    @property
    def georeference(self) -> Georeference:
        """Where the scene lies on Earth."""
        return self.scene.georeference

    @property
    def threshold(self) -> float:
        """Minimum score of a ship pixel."""
        return threshold_of(self.config, self.bundle.card)

    @property
    def min_peak(self) -> float:
        """Minimum peak score of a ship."""
        return min_peak_of(self.config, self.bundle.card)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Minimum score of a pixel of each class."""
        card = self.bundle.card
        return thresholds_of(self.config, card) if card.several else (self.threshold,)

    @property
    def exclusive(self) -> bool:
        """Whether a pixel belongs to one of several classes at most."""
        card = self.bundle.card
        return card.several and card.activation == "softmax"

    @cached_property
    def object_class(self) -> Detected:
        """The class of objects that the model finds, or the classes."""
        card = self.bundle.card
        if not card.several:
            return class_of(card.classes[0].name, card.classes[0].color_hint)
        return ObjectClasses(
            tuple(ObjectClass(found.name, rgb_of(found.color_hint), found.value) for found in card.classes)
        )

    @property
    def margin(self) -> Margin:
        """What is taken off lengths and widths of outlines, in metres."""
        ratios = zip(self.pixel_size[::-1], self.plan.ratios, strict=True)
        model_pixel = sum(size * ratio.scene / ratio.model for size, ratio in ratios) / 2
        return Margin(self.bundle.card.label_margin * self.bundle.card.gsd, model_pixel)

    def bands(self) -> Generator[tuple[RowBand, ...]]:
        """Yield finished rows of scores of each class, from top to bottom."""
        return self.computed_bands() if self.source is None else self.source(self)

    def computed_bands(self) -> Generator[tuple[RowBand, ...]]:
        """As `bands`, computed here whatever the source."""
        self.counts, self.seen = TileCounts(), Seen()
        stitchers = [Stitcher(*self.scene.window.shape) for _ in self.thresholds]
        with closing(self.scored_tiles(self.counts, self.seen)) as tiles:
            for tile in tiles:
                blended = [
                    stitcher.add(tile.window, scores, tile.valid, tile.weights)
                    for stitcher, scores in zip(stitchers, tile.scores, strict=True)
                ]
                del tile  # the next one is computed before it comes
                yield from self.seen.counted(in_step(blended))
        self.require_pixels()
        yield from self.seen.counted(in_step([stitcher.finish() for stitcher in stitchers]))

    def scored_tiles(self, counts: TileCounts, seen: Seen, rows: range | None = None) -> Generator[ScoredTile]:
        """Yield the scores of tiles with data, from top to bottom.

        Args:
            counts: what becomes of the tiles is added to it.
            seen: clouds that are seen are added to it.
            rows: rows of the tile grid; None: all.

        """
        plan, turn = self.plan, -1 if self.plan.south_up else 1
        land = (lambda window: any(land.covers(window) for land in self.lands)) if self.lands else None
        stream = stream_tiles(self.scene, plan.tiles, plan.ratios, self.area, land=land, counts=counts, rows=rows)
        with closing(stream) as samples, self._engine() as engine, ExitStack() as stack:
            engine.prepare((len(self.bundle.card.bands), *plan.tile_shape))
            watched = seen.watch(samples, self.scene.wanted, is_picture=self.scene.dtype == np.uint8)
            north_up = prepare_samples(watched, self.bundle.card, self.scene.wanted, south_up=plan.south_up)
            first = True
            for sample, scores in run(engine, self._screened(north_up, counts, stack)):
                if first:
                    _log.info("%s: the first tile is done", public_name(self.scene.name))
                    first = False
                window = Window(*sample["window"].tolist())
                down, across = plan.tiles.weights(plan.tile_at(window))
                by_class = tuple(self._whole(each, window, turn) for each in self._by_class(scores))
                scored = ScoredTile(window, by_class, sample["valid"], down[:, None] * across)
                del sample, scores, by_class  # not held while the next tile is computed
                yield scored
                del scored

    @property
    def doubts(self) -> tuple[str, ...]:
        """Warnings that only the pixels tell, once `bands` has run: little data, or many clouds."""
        height, width = self.scene.window.shape
        return self.seen.warnings(float(self.area.polygon.area) if self.area else float(height * width))

    def _by_class(self, scores: Scores) -> Iterable[Scores]:
        """The scores of a tile for each class, (rows, columns)."""
        if not scores.size:
            return [scores] * len(self.thresholds)
        return scores if self.bundle.card.several else [scores]

    def _whole(self, scores: Scores, window: Window, turn: int) -> Scores:
        """Scores of a tile at the scene's pixel size."""
        return resample(scores[::turn], window.shape) if scores.size else np.zeros(window.shape, np.float32)

    def keep_all(self, ships: Sequence[Iterable[Ship]]) -> list[DetectedShip]:
        """The ships of each class that `keep` returns, in one list in reading order."""
        if len(ships) == 1:
            return self._without_fixed(self.keep(ships[0]))
        kept = [replace(ship, kind=kind) for kind, own in enumerate(ships) for ship in self.keep(own)]
        return self._without_fixed(sorted(kept, key=lambda ship: (ship.ship.first_pixel, ship.kind)))

    def _without_fixed(self, ships: list[DetectedShip]) -> list[DetectedShip]:
        """The ships, of which those that stand fixed are marked or left out."""
        if self.fixed is None:
            return ships
        marked = mark_fixed(ships, self.fixed)
        self.found_fixed = sum(ship.fixed for ship in marked)
        return [ship for ship in marked if not (ship.fixed and self.config.drop_fixed)]

    def require_pixels(self) -> None:
        """Raise SceneError where not one tile could be read."""
        counts, unread = self.counts, self.scene.unread
        if unread and counts.no_data == counts.planned - counts.outside:
            raise SceneError(
                f"{public_name(self.scene.name)}: no part of it could be read ({next(iter(unread.values()))}); copy or "
                "download it again"
            )

    def keep(self, ships: Iterable[Ship]) -> list[DetectedShip]:
        """Clean, measure and verify whole ships, and return the large and certain ones in reading order."""
        config = self.config
        ship_filter = ShipFilter(
            self.georeference,
            self.pixel_size,
            config.min_area,
            config.max_hole,
            config.simplify,
            self.min_peak,
            self.margin,
        )
        kept = ship_filter.apply(sorted(ships, key=lambda ship: ship.first_pixel))
        return self.verifier.verify(kept) if self.verifier else kept

    def _engine(self) -> AbstractContextManager[Engine]:
        bundle, size, views, shape = self.bundle, self.plan.batch_size, self.plan.views, self.plan.tile_shape
        if self.engines:
            return nullcontext(self.engines.open(self.engine, bundle, batch_size=size, views=views, shape=shape))
        return OPEN_ENGINES.use(self.engine, bundle, batch_size=size, views=views)

    def _screened(self, samples: Iterator[Sample], counts: TileCounts, stack: ExitStack) -> Iterator[Sample]:
        """The samples, without the images of those that the screen finds empty; its engine is open in the stack."""
        card = self.bundle.card
        if self.screen is None or card.screen is None:
            return samples

        def count() -> None:
            counts.empty += 1

        precision: Precision = "auto" if self.config.precision == "int8" else self.config.precision
        choice = choose_engine(self.config.engine, precision, self.engine.device)
        engine = stack.enter_context(OPEN_ENGINES.use(choice, self.screen, batch_size=1))
        return skip_empty_tiles(samples, engine, card.screen.threshold, card.step, self.plan.counting, count)


@contextmanager
def open_run(
    scene: SceneName | SceneFile,
    *,
    config: PredictConfig,
    model: Bundle | None = None,
    engines: EngineCache | None = None,
    layers: Layers | None = None,
) -> Iterator[SceneRun]:
    """Open a scene for a model, for those who want more of a run than `predict` returns.

    Args:
        scene: as for `predict`, or a scene that was resolved already.
        config: settings.
        model: a loaded bundle, in place of `config.model`.
        engines: stay open for the scenes to come.
        layers: area and land, in place of those of `config`.

    Raises:
        GeoshipsError: with one line that says what is wrong.

    """
    with scene_file(scene, trust_vrt=config.trust_vrt, incomplete=config.on_error == "skip") as file:
        bundle, why = choose_bundle(file, config, model, engines)
        with open_scene(file, bundle.card.bands, reading(config), bundle.card.optional) as opened:
            yield _scene_run(opened, bundle, why, config, engines, layers or Layers.of(config))


def threshold_of(config: PredictConfig, card: Card) -> float:
    """Minimum score of a ship pixel: that of the settings, else of their sensitivity, else the model's own.

    Raises:
        BundleError: The model has no operating point for the sensitivity.
    """
    given, point = config.threshold, operating_point(config, card)
    return given if given is not None else (point or card).threshold


def thresholds_of(config: PredictConfig, card: Card) -> tuple[float, ...]:
    """Minimum score of a pixel of each class: that of the settings for all, else the model's own of each.

    Raises:
        BundleError: The model has no operating point for the sensitivity.
    """
    if config.threshold is None and operating_point(config, card) is None:
        return card.thresholds
    return (threshold_of(config, card),) * len(card.classes)


def min_peak_of(config: PredictConfig, card: Card) -> float:
    """Minimum peak score of a ship: that of the settings, else of their sensitivity, else the model's own.

    Raises:
        BundleError: The model has no operating point for the sensitivity.
    """
    given, point = config.min_peak, operating_point(config, card)
    return given if given is not None else (point or card).min_peak


def operating_point(config: PredictConfig, card: Card) -> OperatingPoint | None:
    """The model's operating point for the sensitivity of the settings; None where they name none.

    Raises:
        BundleError: The model has no such point.
    """
    return card.operating_point(config.sensitivity) if config.sensitivity else None


def reading(config: PredictConfig) -> Reading:
    """How the settings want a scene to be read."""
    return Reading(
        config.bands,
        config.scale,
        config.offset,
        config.sensor,
        config.trust_vrt,
        config.on_error,
        limit_of(config.max_memory),
    )


def choose_bundle(
    file: SceneFile, config: PredictConfig, model: Bundle | None, engines: EngineCache | None
) -> tuple[Bundle, str]:
    """The bundle of a run, and why it was taken.

    Args:
        file: The scene.
        config: Settings.
        model: The loaded bundle of `config.model`, if it is loaded.
        engines: Keep bundles, too.

    Raises:
        BundleError: There is none, it is damaged, or it does not fit the settings.
    """
    if model is None and config.model is None:
        header = file.header
        chosen = choose_model(header.bands, config.gsd or header.pixel_size, config.bands)
        bundle, why = engines.bundle(chosen.path, load_bundle) if engines else load_bundle(chosen.path), chosen.why
    else:
        bundle, why = model or load_bundle(config.model), "as asked for"
    bundle.require_segmentation()
    operating_point(config, bundle.card)  # raises where the model has none, before anything is computed
    return bundle, why


def _scene_run(
    scene: Scene, bundle: Bundle, why: str, config: PredictConfig, engines: EngineCache | None, layers: Layers
) -> SceneRun:
    pixel_size, assumed = scene_pixel_size(scene.georeference, config.gsd, bundle.card, scene.driver)
    searched = read_layers(scene.georeference, layers, config, pixel_size)
    area, lands = searched.area, searched.lands
    from_layers = (text for layer in (area, *lands) if layer for text in layer.warnings)
    engine = choose_engine(config.engine, config.precision, choose_device(config.device))
    notes = (assumed, odd_pixel_size(pixel_size, bundle.card), EMULATED if engine.emulated else None)
    return SceneRun(
        scene=scene,
        bundle=bundle,
        why=why,
        config=config,
        engine=engine,
        pixel_size=pixel_size,
        plan=plan_run(scene, bundle.card, config, pixel_size, engine, area),
        area=area,
        lands=lands,
        screen=screen_of(bundle) if config.screen and not missing_bands(scene, bundle.card) else None,
        verifier=_verifier(scene, bundle, config, pixel_size, engine),
        warnings=(*scene.warnings, *filter(None, notes), *from_layers),
        engines=engines,
        fixed=None if config.fixed is None else read_fixed(config.fixed),
    )


def read_layers(
    georeference: Georeference, layers: Layers, config: PredictConfig, pixel_size: tuple[float, float]
) -> Searched:
    """Read where to look for ships in a scene.

    Raises:
        SceneError: A layer cannot be read, or the area is outside the scene.
    """
    area = None if layers.area is None else read_area(layers.area, georeference)
    lands = tuple(_lands(config, layers.land, georeference, pixel_size))
    return Searched(Window(0, 0, georeference.height, georeference.width), area, lands)


def missing_bands(scene: Scene, card: Card) -> tuple[str, ...]:
    """The model's bands that a scene lacks; a screen, which was fitted with all of them, loses ships without them."""
    return tuple(band for band in card.bands if band not in scene.wanted)


def _lands(
    config: PredictConfig, land: VectorLayer | None, georeference: Georeference, pixel_size: tuple[float, float]
) -> Iterator[Land]:
    if land is not None:
        yield read_land(land, georeference, config.shore, pixel_size)
    if config.land_mask:
        yield MaskLand(georeference, config.shore, pixel_size)


def _verifier(
    scene: Scene, bundle: Bundle, config: PredictConfig, pixel_size: tuple[float, float], engine: EngineChoice
) -> Verifier | None:
    chosen = choose_verifier(bundle, config.verify)
    if chosen is None:
        return None
    precision: Precision = "bf16" if config.precision == "bf16" else "fp32"
    own = choose_engine(config.engine, precision, engine.device)
    return Verifier(chosen, scene, pixel_size, engine=own, batch_size=config.batch_size)
