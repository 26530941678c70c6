"""From a scene to ships: the whole pipeline on one page.

    scene -> tiles -> scores -> row bands -> rasters and ships -> verified ships -> vector file

Data goes one way, and no step holds more of the scene than a few rows of tiles.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.errors import OutputError
from geoships.model.bundle import Bundle, load_bundle
from geoships.model.card import Card
from geoships.model.engines.base import (
    BYTES_PER_PIXEL,
    Engine,
    Sample,
    choose_batch_size,
    choose_device,
    run,
    tile_pixels,
)
from geoships.model.engines.choose import KeptEngines, Precision, choose_engine
from geoships.model.inputs import prepared
from geoships.model.installed import choose_model
from geoships.model.screen import Span, screen_of, screened
from geoships.output.attributes import Margin
from geoships.output.classes import class_of
from geoships.output.formats import PIXEL_NOTE, appearing_ships, check_format, ships_frame
from geoships.output.necks import Splitter
from geoships.output.pictures.preview import check_preview, write_preview
from geoships.output.qgis.project import check_project, project_warnings, write_project
from geoships.output.qgis.style_files import StylePlan, appearing_styles, plan_styles
from geoships.output.qgis.styles import ship_style
from geoships.output.raster import MaskSink, RasterSink, ScoreSink, compressing
from geoships.output.ship_filter import KeptShip, ShipFilter
from geoships.output.ship_finder import Ship, ShipBuilder
from geoships.output.stac_item import NO_TIME, Run, card_path, check_item, write_item
from geoships.output.stitch import RowBand, Stitcher
from geoships.pipeline.verify import Verifier, choose_verifier
from geoships.scene.describe import scene_header
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import Area, read_area
from geoships.scene.layers.land import Land, MaskLand, read_inland
from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.stac_item import as_scene
from geoships.scene.quicklook import open_quicklook
from geoships.scene.reader import Reading, Scene, open_scene
from geoships.scene.streaming import TileCounts, stream_tiles
from geoships.scene.tiling.plan import Limits, context, held_bytes, plan_scene, repeated
from geoships.scene.tiling.resample import Ratio, ratio, resample
from geoships.scene.tiling.windows import Tile, TilePlan, Window
from geoships.support.memory import release_memory, share_memory
from geoships.support.progress import Progress, Silence

if TYPE_CHECKING:
    from geopandas import GeoDataFrame


RELEASE_PIXELS = 1 << 23  # of finished rows, after which freed memory is handed back; it costs time to get it again
EMULATED = "PyTorch emulates bfloat16 here, which is slower than float32; use --precision auto"


@dataclass(frozen=True)
class Prediction:
    """What was found in one scene.

    scene: its name. model: name of the model. threshold: score from which on a pixel was ship.
    verifier: name of the classifier that looked again at every ship; None where none did.
    ships: one row a ship, in the scene's CRS or in pixel coordinates (column, row).
    outputs: files written, by kind (vector, mask, scores, preview, project, stac).
    bands, radiometry: how the scene was read. warnings: what was assumed.
    pixels: of the scene. seconds: from opening the scene to the last file.
    tiles: how many were computed, and how many skipped for which reason.
    """

    scene: str
    model: str
    threshold: float
    ships: GeoDataFrame
    outputs: dict[str, Path]
    bands: str
    radiometry: str
    pixels: int
    seconds: float
    warnings: tuple[str, ...] = field(default=())
    verifier: str | None = None
    tiles: TileCounts = field(default_factory=TileCounts)

    def summary(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return {
            "scene": self.scene,
            "ships": len(self.ships),
            "model": self.model,
            "threshold": self.threshold,
            "verifier": self.verifier,
            "outputs": {kind: str(path) for kind, path in self.outputs.items()},
            "bands": self.bands,
            "radiometry": self.radiometry,
            "megapixels": round(self.pixels / 1e6, 3),
            "seconds": round(self.seconds, 3),
            "megapixels_per_second": round(self.pixels / 1e6 / self.seconds, 3),
            "tiles": self.tiles.summary(),
            "warnings": list(self.warnings),
        }


def predict(
    scene: SceneName,
    *,
    out: str | Path | None = None,
    mask: str | Path | None = None,
    scores: str | Path | None = None,
    stac: str | Path | None = None,
    preview: str | Path | None = None,
    project: str | Path | None = None,
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    model: Bundle | None = None,
) -> Prediction:
    """Find the ships of one scene.

    scene: a path, a subdataset, ``http(s)://`` or ``s3://`` address of a raster or a STAC Item, or files band by band.
    out: vector file to write (.geojson, .gpkg, .fgb or .parquet). mask, scores: GeoTIFFs to write.
    preview: PNG picture to write of the scene with its ships.
    project: QGIS project (.qgz) to write, of the scene and of `out`, `mask` and `scores`.
    stac: STAC Item of the run to write (.json), after all other outputs.
    config: settings. progress: who hears of the run. model: a loaded bundle, to save loading
    `config.model` again for every scene.

    Raises GeoshipsError with one clear line; outputs then do not exist or are as they were.
    """
    config, progress = config or PredictConfig(), progress or Silence()
    wanted = {"vector": out, "mask": mask, "scores": scores, "preview": preview}
    paths = {kind: Path(path) for kind, path in wanted.items() if path}
    more = {kind: Path(path) for kind, path in (("project", project), ("stac", stac)) if path}
    name, scene = str(scene), as_scene(scene)
    _check_outputs({**paths, **more}, scene)
    share_memory()
    started = time.monotonic()
    with open_task(scene, config=config, model=model) as task:
        opened = task.scene
        task.announce(progress)
        styles = plan_styles(paths, opened.source.path, task.found) if task.config.style else StylePlan({})
        notes = styles.warnings + (project_warnings(opened, paths) if "project" in more else ())
        for text in notes:
            progress.warn(text)
        with appearing_styles(styles), ExitStack() as vector, task.finding(paths, progress) as kept:
            progress.detail(str(task.counts))
            frame = frame_of(kept, task)
            if "vector" in paths:
                vector.enter_context(_appearing_vector(paths["vector"], frame, task))
        if "preview" in paths:
            _write_preview(paths["preview"], kept, task)
        if "project" in more:
            write_project(more["project"], opened, paths, frame, task.found)
        if "stac" in more:
            _write_item(more["stac"], len(frame), paths, task, progress)
    return Prediction(
        scene=name,
        model=task.bundle.card.name,
        threshold=task.threshold,
        ships=frame,
        outputs={**paths, **more},
        bands=opened.bands.how,
        radiometry=opened.radiometry.origin,
        pixels=task.georeference.height * task.georeference.width,
        seconds=time.monotonic() - started,
        warnings=(*task.warnings, *notes),
        verifier=task.verifier.bundle.card.name if task.verifier else None,
        tiles=task.counts,
    )


def _check_outputs(paths: dict[str, Path], scene: str | BandFiles) -> None:
    """Refuse outputs that cannot be written, before any work."""
    if "vector" in paths:
        check_format(paths["vector"])
    if "preview" in paths:
        check_preview(paths["preview"])
    if "project" in paths:
        check_project(paths["project"])
    if "stac" in paths:
        check_item(paths["stac"])
        paths = {**paths, **{kind: card_path(paths["stac"], kind) for kind in ("model", "verifier")}}
    places = [path.resolve() for path in paths.values()]
    if len(set(places)) < len(places):
        raise OutputError(f"two outputs are to be written to one file: {', '.join(map(str, paths.values()))}")
    for read in scene.inputs if isinstance(scene, BandFiles) else (scene,):
        if Path(read).resolve() in places:
            raise OutputError(f"the output {read} is the scene itself; name another file")


def score_rows(
    scene: SceneName, *, config: PredictConfig | None = None, model: Bundle | None = None
) -> Iterator[RowBand]:
    """Yield the scores of a scene as finished rows, from top to bottom, without writing anything.

    scene, config, model: as for `predict`. Raises GeoshipsError.
    """
    with open_task(scene, config=config or PredictConfig(), model=model) as task:
        yield from task.bands()


@contextmanager
def open_task(
    scene: SceneName, *, config: PredictConfig, model: Bundle | None = None, engines: KeptEngines | None = None
) -> Iterator[Task]:
    """Open a scene for a model, for those who want more of a run than `predict` hands out.

    scene, config, model: as for `predict`. engines: those that stay open for the scenes to come. Raises GeoshipsError.
    """
    chosen, scene = None, as_scene(scene)
    if model is None and config.model is None:
        bands, pixel_size = scene_header(scene, trust_vrt=config.trust_vrt)
        chosen = choose_model(bands, config.gsd or pixel_size, config.bands)
    bundle = model or load_bundle(chosen.path if chosen else config.model)
    bundle.require_segmentation()
    with open_scene(scene, bundle.card.bands, reading(config), bundle.card.optional) as opened:
        yield Task(opened, bundle, config, why=chosen.why if chosen else "as asked for", engines=engines)


def reading(config: PredictConfig) -> Reading:
    """How the settings want a scene to be read."""
    return Reading(config.bands, config.scale, config.offset, config.sensor, config.trust_vrt)


class Task:
    """One scene, one model, and all that follows from the two; see `open_task`. why: the model was taken."""

    def __init__(
        self, scene: Scene, bundle: Bundle, config: PredictConfig, why: str, engines: KeptEngines | None = None
    ) -> None:
        self.scene, self.bundle, self.config, self.why, self.engines = scene, bundle, config, why, engines
        self.georeference: Georeference = scene.georeference
        self.threshold = config.threshold or bundle.card.threshold
        self.found = class_of(bundle.card.classes[0].name, bundle.card.classes[0].color_hint)
        self.min_peak = bundle.card.min_peak if config.min_peak is None else config.min_peak
        self.area: Area | None = read_area(config.area, scene.georeference) if config.area else None
        self.pixel_size, assumed = _pixel_size(scene.georeference, config.gsd, bundle.card)
        self.device = choose_device(config.device)
        self.engine = choose_engine(config.engine, config.precision, self.device)
        emulated = EMULATED if self.engine.emulated else ""
        self.warnings = (*scene.warnings, *filter(None, (assumed, emulated)))
        self.ratios = self._ratios()
        self.plan = self._plan()
        self.counts = TileCounts()
        self.lands = tuple(self._lands())
        self.screen = screen_of(bundle) if config.screen else None
        self.verifier = self._verifier()

    def _ratios(self) -> tuple[Ratio, Ratio]:
        """Model pixels per scene pixel, for rows and columns."""
        card = self.bundle.card
        across, down = (ratio(size, card.gsd, card.gsd_range, card.step) for size in self.pixel_size)
        return down, across

    def _plan(self) -> TilePlan:
        scene, config = self.scene, self.config
        bytes_per_pixel = len(scene.wanted) * scene.dtype.itemsize + 1
        held = held_bytes(scene.window.width, scene.grid.block_width, bytes_per_pixel)
        limits = Limits(tile_pixels(self.device), held, self._pixel_bytes)
        shared = context(self.bundle.card.halo, config.overlap)
        return plan_scene(scene.window, self.ratios, shared, limits, config.tile_size, self.views)

    @property
    def _pixel_bytes(self) -> int:
        """Of a tile, for `Limits`: in float32 on a processor its maps fill their room, else at most a half of it."""
        tight = self.device.type == "cpu" and self.engine.precision == "fp32"
        return BYTES_PER_PIXEL if tight else 0

    def _lands(self) -> Iterator[Land]:
        config = self.config
        if config.land:
            yield read_inland(config.land, self.georeference, config.shore, self.pixel_size)
        if config.land_mask:
            yield MaskLand(self.georeference, config.shore, self.pixel_size)

    def _verifier(self) -> Verifier | None:
        config, chosen = self.config, choose_verifier(self.bundle, self.config.verify)
        if chosen is None:
            return None
        precision: Precision = "bf16" if config.precision == "bf16" else "fp32"
        engine = choose_engine(config.engine, precision, self.device)
        return Verifier(chosen, self.scene, self.pixel_size, engine=engine, batch_size=config.batch_size)

    @property
    def views(self) -> Literal[1, 2, 4, 8]:
        """How often each tile is looked at."""
        return self.config.views or self.bundle.card.views

    @property
    def margin(self) -> Margin:
        """What lengths and widths are less than the outlines', in metres."""
        sizes = [
            size * ratio.scene / ratio.model for size, ratio in zip(self.pixel_size[::-1], self.ratios, strict=True)
        ]
        pixel = sum(sizes) / 2  # metres of a model pixel
        card = self.bundle.card
        return Margin(card.label_margin * card.gsd, pixel)

    @property
    def placed(self) -> bool:
        """Whether coordinates are on Earth."""
        return self.georeference.placed

    @contextmanager
    def finding(self, paths: dict[str, Path], progress: Progress) -> Iterator[list[KeptShip]]:
        """Run the scene through the model, and yield the ships that are kept.

        The rasters are compressed meanwhile, and appear when the block ends without an error.
        """
        width = self.scene.window.width
        builder, splitter = ShipBuilder(width, self.threshold), Splitter(width) if self.config.split else None
        ships: list[Ship] = []
        since = 0  # pixels since memory was handed back
        with ExitStack() as stack:
            sinks = [stack.enter_context(sink) for sink in self._sinks(paths)]
            for band in stack.enter_context(closing(self.bands())):
                for sink in sinks:
                    sink.write(band)
                found = builder.feed(band)
                ships.extend(splitter.split(found, self.threshold, band) if splitter else found)
                if splitter:
                    splitter.remember(band)
                progress.advance(band.valid.size)
                since += band.valid.size
                del band, found  # a row of tiles is computed before the next one comes
                if since >= RELEASE_PIXELS:
                    release_memory()
                    since = 0
            found = builder.finish()
            ships.extend(splitter.split(found, self.threshold) if splitter else found)
            with compressing(sinks):
                yield self.keep(ships)

    def keep(self, ships: Iterable[Ship]) -> list[KeptShip]:
        """Clean, measure and verify whole ships, and return the large and certain ones in reading order."""
        config = self.config
        large = ShipFilter(
            self.georeference,
            self.pixel_size,
            config.min_area,
            config.max_hole,
            config.simplify,
            self.min_peak,
            self.margin,
        )
        kept = large.keep(sorted(ships, key=lambda ship: ship.first_pixel))
        return self.verifier.verify(kept) if self.verifier else kept

    def announce(self, progress: Progress) -> None:
        """Tell of the scene, and of what was assumed to read it."""
        scene = self.scene
        progress.start(scene.name, self.georeference.height * self.georeference.width)
        progress.note(f"model: {self.bundle.card.name} ({self.why})")
        progress.note(f"bands: {scene.bands.how}")
        progress.note(f"reflectance: {scene.radiometry.origin}")
        progress.note(f"engine: {self.engine}")
        if any(ratio.model != ratio.scene for ratio in self.ratios):
            across, down = self.pixel_size
            gsd = self.bundle.card.gsd
            progress.note(f"pixels of {across:.3g} x {down:.3g} m are resampled to the model's {gsd:g} m")
        if self.verifier:
            card = self.verifier.bundle.card
            progress.note(f"verifier: {card.name} (ships from a score of {card.threshold:g} on are kept)")
        progress.detail(self.how())
        for text in self.warnings:
            progress.warn(text)

    def how(self) -> str:
        """The tile plan in one line."""
        height, width = self._tile_shape
        plan, card = self.plan, self.bundle.card
        screen = "no screen" if self.screen is None else f"screen from {self.bundle.card.screen.threshold:.6g} on"  # type: ignore[union-attr]
        return (
            f"plan: {plan.rows.count} x {plan.columns.count} tiles of {height} x {width} pixels, halo {card.halo}, "
            f"{repeated(plan):.0%} of a tile shared with its neighbours; batch {self._batch_size}, "
            f"{torch.get_num_threads()} threads, {self.scene.threads} to decode; {self.engine}; {screen}"
        )

    def bands(self) -> Generator[RowBand]:
        """Yield finished rows of scores, from top to bottom."""
        self.counts = TileCounts()
        stitcher = Stitcher(*self.scene.window.shape)
        turn = -1 if self.georeference.south_up else 1  # the model sees every scene with north up
        land = (lambda window: any(land.covers(window) for land in self.lands)) if self.lands else None
        stream = stream_tiles(self.scene, self.plan, self.ratios, self.area, land=land, counts=self.counts)
        with closing(stream) as tiles:
            engine = self._engine()
            engine.prepare((len(self.bundle.card.bands), *self._tile_shape))
            north_up = prepared(tiles, self.bundle.card, self.scene.wanted, south_up=turn == -1)
            for sample, scores in run(engine, self._screened(north_up)):
                window = Window(*sample["window"].tolist())
                rows, columns = self.plan.weights(_tile_at(self.plan, window))
                whole = resample(scores[::turn], window.shape) if scores.size else np.zeros(window.shape, np.float32)
                yield from stitcher.add(window, whole, sample["valid"].numpy(), rows[:, None] * columns)
        yield from stitcher.finish()

    def _screened(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """The samples, without the images of those that the screen finds empty."""
        card, screen = self.bundle.card, self.screen
        if screen is None or card.screen is None:
            return samples
        precision: Precision = "auto" if self.config.precision == "int8" else self.config.precision
        engine = choose_engine(self.config.engine, precision, self.device).open(screen, batch_size=1)
        return screened(samples, engine, card.screen.threshold, card.step, self.counting, self._skip_empty)

    def _skip_empty(self) -> None:
        self.counts.empty += 1

    def reach(self, window: Window) -> Window:
        """The part of the scene that the scores of a tile, given by its window, reach."""
        return self.plan.reach(_tile_at(self.plan, window))

    def counting(self, window: Window) -> tuple[Span, Span]:
        """Rows and columns, in the image that the model sees of a tile, that its scores reach."""
        reach = self.reach(window)
        down, across = self.ratios
        rows = _in_model(reach.row - window.row, reach.row_end - window.row, down)
        columns = _in_model(reach.column - window.column, reach.column_end - window.column, across)
        if self.georeference.south_up:
            height = down.to_model(window.height)
            rows = height - rows[1], height - rows[0]
        return rows, columns

    @property
    def _tile_shape(self) -> tuple[int, int]:
        """Model pixels of a tile."""
        height, width = self.plan.tile_shape
        return self.ratios[0].to_model(height), self.ratios[1].to_model(width)

    @property
    def _batch_size(self) -> int:
        height, width = self._tile_shape
        return self.config.batch_size or min(len(self.plan), choose_batch_size(self.device, height * width))

    def _engine(self) -> Engine:
        opened = partial(self.engines.open, self.engine) if self.engines else self.engine.open
        return opened(self.bundle, batch_size=self._batch_size, views=self.views)

    def _sinks(self, paths: dict[str, Path]) -> Iterator[RasterSink]:
        tags = {"software": "geoships", "model": self.bundle.card.name, "threshold": str(self.threshold)}
        if not self.placed:
            tags["note"] = PIXEL_NOTE
        if "mask" in paths:
            found = self.found
            yield MaskSink(paths["mask"], self.georeference, self.threshold, tags, name=found.name, colour=found.rgb)
        if "scores" in paths:
            yield ScoreSink(paths["scores"], self.georeference, tags, name=self.found.name)


def _in_model(start: int, stop: int, scale: Ratio) -> Span:
    """Model pixels that some scene pixels of a tile touch."""
    return start * scale.model // scale.scene, -(-stop * scale.model // scale.scene)


def _tile_at(plan: TilePlan, window: Window) -> Tile:
    row = (window.row + plan.rows.margin) // plan.rows.stride
    return plan.tile(row, (window.column + plan.columns.margin) // plan.columns.stride)


def _pixel_size(georeference: Georeference, gsd: float | None, card: Card) -> tuple[tuple[float, float], str | None]:
    """Metres per pixel (across, down), and a warning where they are assumed."""
    if gsd is not None:
        return (gsd, gsd), None
    measured = georeference.pixel_size()
    if measured is not None:
        return measured, None
    return (card.gsd, card.gsd), (
        f"the pixel size is not known: taken as the model's {card.gsd:g} m; give --gsd if that is wrong"
    )


def frame_of(ships: Sequence[KeptShip], task: Task) -> GeoDataFrame:
    """One row a ship, placed on the map."""
    scene = task.scene
    rows: list[dict[str, object]] = [
        {
            "id": number,
            "score": kept.ship.score,
            **asdict(kept.measures),
            "pixels": kept.ship.pixels,
            "on_border": kept.ship.on_border,
            "scene": scene.title,
            "datetime": scene.datetime,
            **({"class_prob": kept.class_prob} if task.verifier else {}),
            **({} if task.found.is_ship else {"class": task.found.name}),
        }
        for number, kept in enumerate(ships, 1)
    ]
    polygons = on_map([kept.polygon for kept in ships], task.georeference)
    crs = task.georeference.crs if task.placed else None
    return ships_frame(rows, polygons, crs, verified=task.verifier is not None, classed=not task.found.is_ship)


def on_map(polygons: Sequence[BaseGeometry], georeference: Georeference) -> list[BaseGeometry]:
    """Polygons in pixel coordinates brought to map coordinates."""

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(georeference.to_map(points[:, 0], points[:, 1]))

    return [shapely.transform(polygon, place) for polygon in polygons]


def _appearing_vector(path: Path, frame: GeoDataFrame, task: Task) -> AbstractContextManager[None]:
    title = f"{task.found.layer} found by geoships in {task.scene.title}"
    style = ship_style().qml() if task.config.style else None
    return appearing_ships(path, frame, georeference=task.georeference, title=title, style=style)


def _write_item(path: Path, ships: int, outputs: dict[str, Path], task: Task, progress: Progress) -> None:
    """Write the STAC Item of a run: what was found, in what, by which model."""
    scene, bundle = task.scene, task.bundle
    if scene.acquired is None:
        progress.warn(NO_TIME)
    verifier = task.verifier.bundle.card if task.verifier else None
    facts = {
        "processing:lineage": f"{bundle.card.name} of geoships; bands {scene.bands.how}; {scene.radiometry.origin}",
        "geoships:ships": ships,
        "geoships:threshold": task.threshold,
        "geoships:min_peak": task.min_peak,
        "geoships:min_area_m2": task.config.min_area,
        "geoships:tiles": task.counts.summary(),
    }
    cards = {"model": bundle.card.to_json(), **({"verifier": verifier.to_json()} if verifier else {})}
    write_item(
        path, Run(scene.title, task.georeference, scene.acquired, scene.origins, outputs, cards, facts, task.found)
    )


def _write_preview(path: Path, ships: Sequence[KeptShip], task: Task) -> None:
    scene = task.scene
    known = dict(zip(scene.bands.names, scene.bands.indexes, strict=True))
    with open_quicklook(scene.source, known=known) as look:
        write_preview(path, look, [kept.polygon for kept in ships])
