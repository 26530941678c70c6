"""A process that does one job after another for a worker; it is killed when a job is cancelled or takes too long."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from geoships.support.worker_process import run_until_stopped

ENDING = 0.7  # s from being asked to stop until it is killed: a cancelled job ends within two seconds
NICE = 10  # steps by which the priority of computing is lower than that of answers
GONE = 10.0  # s that a killed process may take to be gone

DETECT = "geoships.service.work.detect:detect"


def _do_jobs(preload: tuple[str, ...], work: str, device: str, connection: Connection) -> None:
    """What the process does, while requests go before it."""
    if hasattr(os, "nice"):  # Windows has none
        os.nice(NICE)
    for name in preload:
        import_module(name)
    module, _, function = work.partition(":")
    run_until_stopped(pickle.dumps(getattr(import_module(module), function)), device, connection, {})


class JobProcess:
    """One process, started when it is first needed, and started again after it was ended.

    Args:
        work: Function that does a job, as ``module:name``, which the process alone imports. It takes the job, the
            device, and a function that tells progress.
        device: Device that the function is given.
        preload: Modules that the process imports before it takes a job, so that no job waits for them.
    """

    def __init__(self, work: str, device: str, preload: tuple[str, ...] = ()) -> None:
        self._work, self._device, self._preload = work, device, preload
        self._process: BaseProcess | None = None
        self._connection: Any = None

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        self.end()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (self._preload, self._work, self._device, theirs)
        self._process = context.Process(target=_do_jobs, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, job: object) -> None:
        """Let the process begin a job."""
        self.start()
        with suppress(OSError):  # it has just died: `heard` says so
            self._connection.send(job)

    def heard(self, seconds: float) -> tuple[str, Any] | None:
        """What the process says next: ``told``, ``ended`` or ``raised``, with what it told, returned or raised.

        Args:
            seconds: How long to wait for it.

        Returns:
            None if it says nothing; ``died`` and how, if it is dead.
        """
        assert self._process is not None
        try:
            if self._connection.poll(seconds):
                kind, content = self._connection.recv()
                return kind, content
        except (EOFError, OSError):
            self._process.join(GONE)
            return "died", self._process.exitcode
        return None

    def end(self) -> None:
        """End the process, by force if it must be."""
        process, self._process = self._process, None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if process is None:
            return
        process.terminate()
        process.join(ENDING)
        if process.is_alive():
            process.kill()
        process.join(GONE)
        process.close()
