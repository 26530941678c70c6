"""Makes batches ahead of the network, in threads of one core each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Generic, TypeVar

import torch

AHEAD = 2  # batches that wait, beside those that are being made

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """Items 0, 1, 2, ... in their order, made ahead in threads; use it in a `with` block.

    Args:
        make: Makes an item by number; called from several threads.
        workers: Number of threads.
        start: Number of the first item.
    """

    def __init__(self, make: Callable[[int], Item], workers: int, start: int = 0) -> None:
        self._make, self._workers = make, workers
        self._numbers = count(start)
        self._waiting: deque[Future[Item]] = deque()
        self._local = threading.local()

    def __enter__(self) -> Feed[Item]:
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._workers, "crops")
        for _ in range(self._workers + AHEAD):
            self._order()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        # The number of threads that a new thread begins with is the one that was set last, by any thread.
        torch.set_num_threads(self._threads)

    def __iter__(self) -> Iterator[Item]:
        """Yield items without end; an error while making one is raised here."""
        while True:
            ready = self._waiting.popleft()
            self._order()
            yield ready.result()

    def _order(self) -> None:
        self._waiting.append(self._pool.submit(self._made, next(self._numbers)))

    def _made(self, number: int) -> Item:
        if not getattr(self._local, "ready", False):
            torch.set_num_threads(1)  # of this thread alone: the network's step has the cores to itself
            self._local.ready = True
        return self._make(number)
