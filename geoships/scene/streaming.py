"""A scene as a stream of tiles, read ahead of whoever works on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import TilePlan, Window, source_window

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
) -> ReadAhead[Sample]:
    """The samples of a plan's tiles that hold data, from top to bottom, read from now on; each block is decoded once.

    land: whether a window lies on land; such a tile's sample has no image. counts: is told of each tile that is
    skipped. Samples of 32 MB in all, and at least one, wait for the consumer. Close it to stop early.
    Raises SceneError where the file cannot be read.
    """
    counts = counts or TileCounts()
    counts.planned += len(plan)
    height, width = (scale.to_model(size) for scale, size in zip(ratios, plan.tile_shape, strict=True))
    ahead = max(1, WAITING_BYTES // (len(scene.wanted) * height * width * 4))
    return ReadAhead(lambda: _samples(scene, plan, ratios, area, land, counts), ahead)


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


class ReadAhead(Iterator[Item]):
    """The items of an iterator, which a thread of its own makes from now on.

    start: makes the iterator, in that thread. ahead: items that may be made before they are asked for.
    Errors of the thread are raised where its items are taken. Close it to stop early.
    """

    def __init__(self, start: Callable[[], Iterator[Item]], ahead: int) -> None:
        self._start = start
        self._made: SimpleQueue[Item | _End] = SimpleQueue()
        self._room = Semaphore(ahead)
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def __next__(self) -> Item:
        item = self._made.get()
        if not isinstance(item, _End):
            self._room.release()
            return item
        self._made.put(item)  # for whoever asks again
        raise item.error or StopIteration

    def close(self) -> None:
        """Stop the thread, and wait until it has; what it made is dropped."""
        self._stopped.set()
        self._room.release()
        self._thread.join()
        self._made = SimpleQueue()
        self._made.put(_End(None))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            items = self._start()
            while self._has_room():
                self._made.put(next(items))
        except StopIteration:
            pass
        except BaseException as raised:  # every error belongs to the consumer
            error = raised
        self._made.put(_End(error))

    def _has_room(self) -> bool:
        """Wait for room; False after a stop."""
        self._room.acquire()
        return not self._stopped.is_set()


@dataclass(frozen=True)
class _End:
    """After the last item. error: that ended it."""

    error: BaseException | None
