"""A scene as a stream of tiles, read ahead in a background thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Tile, TilePlan, Window, source_window
from geoships.support.threads import compute_threads

Item = TypeVar("Item")
READ_AHEAD_BYTES = 32 << 20  # memory of the samples that are read ahead
FEW_THREADS = 4  # of computation: with so few a network takes longer for a tile than its reading and blending


@dataclass
class TileCounts:
    """How many tiles of a plan are computed, and why others are skipped.

    A tile is judged by the pixels where its scores have a blending weight above 0 (see `TilePlan.reach`).

    Attributes:
        planned: All tiles of the plan.
        outside: Tiles outside the area of interest.
        no_data: Tiles without a valid pixel.
        land: Tiles on land.
        empty: Tiles where the screening network found no ship.
    """

    planned: int = 0
    outside: int = 0
    no_data: int = 0
    land: int = 0
    empty: int = 0

    @property
    def computed(self) -> int:
        """Tiles that the model scores."""
        return self.planned - self.outside - self.no_data - self.land - self.empty

    def add(self, other: TileCounts) -> None:
        """Add the counts of other tiles of the same plan."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))

    def summary(self) -> dict[str, int]:
        """The counts as plain values for JSON."""
        return {**asdict(self), "computed": self.computed}

    def __str__(self) -> str:
        reasons = {"outside the area": self.outside, "without data": self.no_data, "on land": self.land}
        skipped = [f"{count} {reason}" for reason, count in {**reasons, "empty": self.empty}.items() if count]
        return f"{self.computed} of {self.planned} tiles computed; skipped: {', '.join(skipped) or 'none'}"


def stream_tiles(
    scene: Scene,
    plan: TilePlan,
    ratios: tuple[Ratio, Ratio],
    area: Area | None = None,
    *,
    land: Callable[[Window], bool] | None = None,
    counts: TileCounts | None = None,
    rows: range | None = None,
) -> ReadAhead[Sample]:
    """Read the tiles of a plan that contain valid data, from top to bottom, in a background thread.

    Each block of the file is decoded once. The thread starts at once, and keeps samples of up to 32 MiB ready for the
    consumer. Of larger ones it keeps one ready where more than FEW_THREADS threads compute; else it makes each while
    the network computes the one before, so that one fewer is held in memory. Close the stream to stop early.

    Args:
        scene: The open scene.
        plan: Its tiles.
        ratios: Model pixels per scene pixel, for rows and columns.
        area: Area of interest; None: the whole scene.
        land: Function that returns whether a window is on land. The sample of such a tile has no image.
        counts: Counters to which the tiles are added; None: not counted.
        rows: Rows of the tile grid to read; None: all.

    Returns:
        Iterator over samples, as `TileReader` describes them. It raises SceneError if the file cannot be read.
    """
    counts = counts or TileCounts()
    planned = list(plan.in_rows(range(plan.rows.count) if rows is None else rows))
    counts.planned += len(planned)
    height, width = (scale.to_model(size) for scale, size in zip(ratios, plan.tile_shape, strict=True))
    least = 1 if compute_threads() > FEW_THREADS else 0
    ahead = max(least, READ_AHEAD_BYTES // (len(scene.wanted) * height * width * 4))
    return ReadAhead(lambda: _samples(scene, plan, planned, ratios, area, land, counts), ahead)


def _samples(
    scene: Scene,
    plan: TilePlan,
    planned: Sequence[Tile],
    ratios: tuple[Ratio, Ratio],
    area: Area | None,
    land: Callable[[Window], bool] | None,
    counts: TileCounts,
) -> Iterator[Sample]:
    tiles = [tile for tile in planned if area is None or area.touches(plan.reach(tile))]
    counts.outside += len(planned) - len(tiles)
    if scene.written is not None:  # parts of a sparse file need not be decoded to know that they have no data
        every, written = len(tiles), scene.written
        tiles = [tile for tile in tiles if written.any(plan.reach(tile).intersection(scene.window))]
        counts.no_data += every - len(tiles)
    with scene.cache([source_window(tile.window, scene.window) for tile in tiles]) as cache:
        reader = TileReader(scene, ratios=ratios, area=area, fetch=cache.fetch)
        for tile in tiles:
            window, reach = tile.window, plan.reach(tile)
            pixels = reader.pixels(window)
            valid = reader.valid(pixels, window)
            cache.release(reader.source(window))
            if not valid[reach.within(window)].any():
                counts.no_data += 1
                continue
            on_land = land is not None and land(reach)
            counts.land += on_land
            yield reader.sample(pixels, window, valid, image=not on_land)


class ReadAhead(Iterator[Item]):
    """Runs an iterator in a background thread, some items ahead of the consumer.

    The thread starts at once, with the first item if none is to be made ahead. Its errors are raised in the consumer,
    after the items before them. Call `close` to stop early.

    Args:
        start: Function that creates the iterator; called in the thread.
        ahead: Number of items that may be produced before they are requested.
    """

    def __init__(self, start: Callable[[], Iterator[Item]], ahead: int) -> None:
        self._start = start
        self._queue: SimpleQueue[Item | _End] = SimpleQueue()
        self._room, self._asked = Semaphore(max(1, ahead)), bool(ahead)
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def __next__(self) -> Item:
        if self._asked:
            self._room.release()
        self._asked = True  # without items ahead, the first one is made unasked
        item = self._queue.get()
        if not isinstance(item, _End):
            return item
        self._queue.put(item)  # for the next call
        raise item.error or StopIteration

    def close(self) -> None:
        """Stop the thread and wait until it has ended. Items that were read ahead are dropped."""
        self._stopped.set()
        self._room.release()
        self._thread.join()
        self._queue = SimpleQueue()
        self._queue.put(_End(None))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            items = self._start()
            while self._has_room():
                self._queue.put(next(items))
        except StopIteration:
            pass
        except BaseException as raised:  # all errors are raised in the consumer
            error = raised
        self._queue.put(_End(error))

    def _has_room(self) -> bool:
        """Wait until there is room for an item; False if the stream was closed."""
        self._room.acquire()
        return not self._stopped.is_set()


@dataclass(frozen=True)
class _End:
    """Marks the end of the items. error: the exception that ended the iterator, if any."""

    error: BaseException | None
