"""The workers of one machine, as processes that are started again when they die, and that end with their parent."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from geoships.service.settings import ServiceSettings
from geoships.service.store.store import Store
from geoships.service.work.process import DETECT
from geoships.service.work.worker import Worker

_log = logging.getLogger(__name__)

LOOKING = 0.5  # s between two looks at the processes
SHORT = 10.0  # s: a worker that lived shorter is started again after as long
ENDING = 8.0  # s that a worker may take to give its job back


def run_worker(settings: ServiceSettings, work: str = DETECT) -> None:
    """Be a worker until SIGTERM or SIGINT: a job that is going on is given back.

    Args:
        settings: Of the service.
        work: Function that does a job, as ``module:name``.

    Raises:
        GeoshipsError: The store or the folder cannot be used.
    """
    store = Store.open(settings.store)
    worker = Worker(store, settings, work=work)
    before = {number: signal.signal(number, lambda *_: worker.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        store.close()


def _worker_process(settings: ServiceSettings, work: str, level: int) -> None:
    """What a worker of a pool is: it ends, too, when its parent is gone."""
    from geoships.service.logs import log_to_stderr

    log_to_stderr(level)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_worker(settings, work)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ENDING)
    os._exit(1)


@dataclass
class _Place:
    """A place for a worker: the process that has it, and when it was started."""

    process: BaseProcess
    started: float


class WorkerPool:
    """Keeps a number of workers running; use `start` and `close`.

    Args:
        settings: Of the service.
        count: How many.
        work: Function that does a job, as ``module:name``.
        level: Level of their log.
    """

    def __init__(self, settings: ServiceSettings, count: int, *, work: str = DETECT, level: int = logging.INFO) -> None:
        self._settings, self._count, self._work, self._level = settings, count, work, level
        self._places: list[_Place] = []
        self._closing, self._changing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start the workers, and begin to watch them, unless the pool was closed before."""
        with self._changing:
            if self._closing.is_set():
                return
            self._places = [self._begin() for _ in range(self._count)]
            self._thread.start()

    @property
    def processes(self) -> list[int]:
        """Ids of the processes."""
        return [place.process.pid for place in self._places if place.process.pid]

    def _begin(self) -> _Place:
        context = multiprocessing.get_context("spawn")
        arguments = (self._settings, self._work, self._level)
        process = context.Process(target=_worker_process, args=arguments, name="geoships-worker")
        process.start()
        return _Place(process, time.monotonic())

    def _watch(self) -> None:
        while not self._closing.wait(LOOKING):
            for index, place in enumerate(self._places):
                if place.process.is_alive() or self._closing.is_set():
                    continue
                _log.warning("a worker ended with %s and is started again", place.process.exitcode)
                if time.monotonic() - place.started < SHORT and self._closing.wait(SHORT / 5):
                    return
                self._places[index] = self._begin()

    def close(self) -> None:
        """End the workers: each gives its job back."""
        self._closing.set()
        with self._changing:
            pass  # workers that are being started now are ended with the others
        if self._thread.is_alive():
            self._thread.join()
        for place in self._places:
            place.process.terminate()
        until = time.monotonic() + ENDING
        for place in self._places:
            place.process.join(max(0.1, until - time.monotonic()))
            if place.process.is_alive():
                place.process.kill()
                place.process.join()
