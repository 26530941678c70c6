"""A run from its first row of tiles to whole ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from geoships.output.class_choice import only_highest
from geoships.output.raster import RasterSink, compressing
from geoships.output.ship_filter import DetectedShip
from geoships.output.ship_finder import ShipFinder
from geoships.output.ships import Ship
from geoships.output.stitch import RowBand
from geoships.pipeline.scene_run import SceneRun
from geoships.support.memory import release_memory
from geoships.support.progress import NoProgress, Progress

RELEASE_PIXELS = 1 << 23  # of finished rows, after which freed memory is handed back; it costs time to get it again


@contextmanager
def find_ships(
    run: SceneRun,
    *,
    sinks: Sequence[RasterSink] = (),
    progress: Progress | None = None,
    on_rows: Callable[[RowBand], None] | None = None,
) -> Iterator[list[DetectedShip]]:
    """Send a scene through its model, and yield the ships that pass the filters.

    Args:
        run: the scene and its model.
        sinks: rasters to write on the way. They are compressed while the block runs, and appear when it ends without
            an error.
        progress: hears of each finished band of rows.
        on_rows: called with each finished band of rows.

    """
    progress = progress or NoProgress()
    finders = [ShipFinder(run.scene.window.width, (each,), split=run.config.split) for each in run.thresholds]
    ships: list[list[Ship]] = [[] for _ in finders]
    since = 0  # pixels since memory was handed back
    with ExitStack() as stack:
        opened = [stack.enter_context(sink) for sink in sinks]
        with run.timed("scores"):
            for bands in stack.enter_context(closing(run.bands())):
                for sink in opened:
                    sink.write(*bands)
                if on_rows:
                    on_rows(bands[0])
                for own, finder, band in zip(ships, finders, own_pixels(run, bands), strict=True):
                    own += finder.feed(band)[0]
                progress.advance(bands[0].valid.size)
                since += bands[0].valid.size
                del bands, band  # a row of tiles is computed before the next one comes
                if since >= RELEASE_PIXELS:
                    release_memory()
                    since = 0
            for own, finder in zip(ships, finders, strict=True):
                own += finder.finish()[0]
        with compressing(opened):
            with run.timed("ships"):
                kept = run.keep_all(ships)
            yield kept


def own_pixels(run: SceneRun, bands: tuple[RowBand, ...]) -> tuple[RowBand, ...]:
    """The row bands of each class as its objects are made of them: a pixel of exclusive classes counts in one alone."""
    return only_highest(bands) if run.exclusive else bands
