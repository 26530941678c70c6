"""A scene as a stream of tiles, read ahead of whoever works on them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

from geoships.scene.area import Area
from geoships.scene.reader import Scene
from geoships.scene.resample import Ratio
from geoships.scene.sampling import Sample, SceneDataset, TileSampler
from geoships.scene.windows import Tile, TilePlan, Window, source_window

Item = TypeVar("Item")
WAITING_BYTES = 32 << 20  # of samples that are read ahead


def stream_tiles(
    scene: Scene, plan: TilePlan, ratios: tuple[Ratio, Ratio], area: Area | None = None
) -> Generator[Sample]:
    """Yield the samples of a plan's tiles that hold data, from top to bottom; each block is decoded once.

    Samples of 32 MB in all, and at least one, wait for the consumer. Close the iterator to stop early.
    Raises SceneError where the file cannot be read.
    """
    height, width = (scale.to_model(size) for scale, size in zip(ratios, plan.tile_shape, strict=True))
    ahead = max(1, WAITING_BYTES // (len(scene.wanted) * height * width * 4))
    return read_ahead(lambda: _samples(scene, plan, ratios, area), ahead)


def _samples(scene: Scene, plan: TilePlan, ratios: tuple[Ratio, Ratio], area: Area | None) -> Iterator[Sample]:
    def source(tile: Tile) -> Window:
        return source_window(tile.window, scene.window)

    candidates = TileSampler(SceneDataset(scene, area=area), plan).candidates()
    with scene.cache([source(tile) for tile in candidates]) as cache:
        dataset = SceneDataset(scene, ratios=ratios, area=area, fetch=cache.fetch)
        for query in TileSampler(dataset, plan, skipped=lambda tile: cache.release(source(tile))):
            sample = dataset[query]
            cache.release(source_window(query.window, scene.window))
            yield sample


def read_ahead(start: Callable[[], Iterator[Item]], ahead: int) -> Generator[Item]:
    """Run an iterator in a thread of its own and yield its items, up to `ahead` of them early.

    Errors of the thread are raised here. Closing this iterator stops the thread.
    """
    worker = _Worker(start, ahead)
    try:
        while True:
            item = worker.queue.get()
            if item is worker:
                if worker.error:
                    raise worker.error
                return
            yield item
    finally:
        worker.stop()


class _Worker(Thread):
    """Fills a queue from an iterator; puts itself there at the end."""

    def __init__(self, start: Callable[[], Iterator[Any]], ahead: int) -> None:
        super().__init__(name="read-ahead", daemon=True)
        self.queue: Queue[Any] = Queue(maxsize=ahead)
        self.error: BaseException | None = None
        self._items = start
        self._stopped = Event()
        self.start()

    def run(self) -> None:
        try:
            for item in self._items():
                self._put(item)
                if self._stopped.is_set():
                    return
        except BaseException as error:  # every error belongs to the consumer
            self.error = error
        self._put(self)

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _put(self, item: Any) -> None:
        while not self._stopped.is_set():
            try:
                self.queue.put(item, timeout=0.1)
                return
            except Full:
                continue
