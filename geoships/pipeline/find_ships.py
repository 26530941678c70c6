"""A run from its first row of tiles to whole ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

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
    finder = ShipFinder(run.scene.window.width, (run.threshold,), split=run.config.split)
    ships: list[Ship] = []
    since = 0  # pixels since memory was handed back
    with ExitStack() as stack:
        opened = [stack.enter_context(sink) for sink in sinks]
        with run.timed("scores"):
            for band in stack.enter_context(closing(run.bands())):
                for sink in opened:
                    sink.write(band)
                if on_rows:
                    on_rows(band)
                ships += finder.feed(band)[0]
                progress.advance(band.valid.size)
                since += band.valid.size
                del band  # a row of tiles is computed before the next one comes
                if since >= RELEASE_PIXELS:
                    release_memory()
                    since = 0
            ships += finder.finish()[0]
        with compressing(opened):
            with run.timed("ships"):
                kept = run.keep(ships)
            yield kept
