"""A scene as a stream of tiles, read ahead of whoever works on them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, TypeVar

from geoships.scene.area import Area
from geoships.scene.reader import Scene
from geoships.scene.resample import Ratio
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.windows import TilePlan, Window, source_window

Item = TypeVar("Item")
WAITING_BYTES = 32 << 20  # of samples that are read ahead


@dataclass
class TileCounts:
    """What became of a plan's tiles.

    planned: all of them. outside: of the area of interest. no_data: without a valid pixel. land: on land.
    empty: where the screen saw no ship. The others are computed. Tiles count by the pixels that their scores reach.
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

    def summary(self) -> dict[str, int]:
        """The counts as plain values for JSON."""
        return {**asdict(self), "computed": self.computed}

    def __str__(self) -> str:
        reasons = {"outside the area": self.outside, "without data": self.no_data, "on land": self.land}
        skipped = [f"{count} {why}" for why, count in {**reasons, "empty": self.empty}.items() if count]
        return f"{self.computed} of {self.planned} tiles computed; skipped: {', '.join(skipped) or 'none'}"


def stream_tiles(
    scene: Scene,
    plan: TilePlan,
    ratios: tuple[Ratio, Ratio],
    area: Area | None = None,
    *,
    land: Callable[[Window], bool] | None = None,
    counts: TileCounts | None = None,
) -> Generator[Sample]:
    """Yield the samples of a plan's tiles that hold data, from top to bottom; each block is decoded once.

    land: whether a window lies on land; such a tile's sample has no image. counts: is told of each tile that is
    skipped. Samples of 32 MB in all, and at least one, wait for the consumer. Close the iterator to stop early.
    Raises SceneError where the file cannot be read.
    """
    counts = counts or TileCounts()
    counts.planned += len(plan)
    height, width = (scale.to_model(size) for scale, size in zip(ratios, plan.tile_shape, strict=True))
    ahead = max(1, WAITING_BYTES // (len(scene.wanted) * height * width * 4))
    return read_ahead(lambda: _samples(scene, plan, ratios, area, land, counts), ahead)


def _samples(
    scene: Scene,
    plan: TilePlan,
    ratios: tuple[Ratio, Ratio],
    area: Area | None,
    land: Callable[[Window], bool] | None,
    counts: TileCounts,
) -> Iterator[Sample]:
    tiles = [tile for tile in plan if area is None or area.touches(plan.reach(tile))]
    counts.outside += len(plan) - len(tiles)
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
            ashore = land is not None and land(reach)
            counts.land += ashore
            yield reader.sample(pixels, window, valid, image=not ashore)


def read_ahead(start: Callable[[], Iterator[Item]], ahead: int) -> Generator[Item]:
    """Run an iterator in a thread of its own and yield its items, up to `ahead` of them made early.

    Errors of the thread are raised here. Closing this iterator stops the thread.
    """
    worker = _Worker(start, ahead)
    try:
        while True:
            item = worker.take()
            if item is worker:
                if worker.error:
                    raise worker.error
                return
            yield item
    finally:
        worker.stop()


class _Worker(Thread):
    """Fills a queue from an iterator, and puts itself there at the end; no item is made before there is room for it."""

    def __init__(self, start: Callable[[], Iterator[Any]], ahead: int) -> None:
        super().__init__(name="read-ahead", daemon=True)
        self.error: BaseException | None = None
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._room = Semaphore(ahead)
        self._items = start
        self._stopped = Event()
        self.start()

    def run(self) -> None:
        try:
            items = self._items()
            while self._has_room():
                self._queue.put(next(items))
        except StopIteration:
            pass
        except BaseException as error:  # every error belongs to the consumer
            self.error = error
        self._queue.put(self)

    def take(self) -> Any:
        """The next item; the worker itself after the last."""
        item = self._queue.get()
        self._room.release()
        return item

    def stop(self) -> None:
        self._stopped.set()
        self._room.release()
        self.join()

    def _has_room(self) -> bool:
        """Wait for room; False after a stop."""
        self._room.acquire()
        return not self._stopped.is_set()
