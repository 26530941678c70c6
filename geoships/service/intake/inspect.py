"""Looks at the header of an uploaded scene in a process of its own, so that no file can take the service along."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from queue import LifoQueue
from typing import Any

from geoships.errors import GeoshipsError
from geoships.scene.opening.names import without_secrets
from geoships.service.intake.scenes import header_of
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits

PATIENCE = 30.0  # s that opening a header may take
STARTING = 300.0  # s that a process may take to start, on a machine that is busy
PROCESSES = 2


def ready() -> bool:
    """Runs once a process has started and has loaded what it needs."""
    return True


def look(paths: Sequence[str]) -> dict[str, Any]:
    """Header of the scene of some files, or ``{"fault": why it has none}``."""
    try:
        return header_of([Path(path) for path in paths])
    except GeoshipsError as error:
        return {"fault": str(error)}
    except Exception as error:  # of any library: the file is at fault
        return {"fault": f"it cannot be read ({type(error).__name__})"}


class _Process:
    """A process that looks at one file at a time; it is started when it is first needed, and again when it was lost."""

    def __init__(self) -> None:
        self._pool: Executor | None = None

    def look(self, paths: Sequence[Path]) -> dict[str, Any]:
        """What `look` finds; a fault, too, where it kills the process or would not end."""
        pool = self._running()
        try:
            return pool.submit(look, [str(path) for path in paths]).result(timeout=PATIENCE)
        except (BrokenProcessPool, Late):
            self.kill()
            return {"fault": "its header cannot be read; it is damaged, or made to do harm"}

    def _running(self) -> Executor:
        """The process, once it answers: that it does not is no fault of a file."""
        for _ in range(2):  # one that was lost meanwhile, and a new one
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            try:
                self._pool.submit(ready).result(timeout=STARTING)
            except (BrokenProcessPool, Late, OSError):
                self.kill()
            else:
                return self._pool
        raise ProblemError(
            503, "scenes cannot be looked at now; try again in a moment", kind="busy", headers={"Retry-After": "10"}
        )

    def kill(self) -> None:
        """End the process at once; the next file gets a new one."""
        pool, self._pool = self._pool, None
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            with suppress(OSError, ValueError):
                process.kill()
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the process, once it has looked at its file."""
        pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(wait=True, cancel_futures=True)


class Inspector:
    """Looks at headers in a few processes, each at one file at a time: one that ends its process takes no other along.

    Use `close` at the end.
    """

    def __init__(self) -> None:
        self._processes = [_Process() for _ in range(PROCESSES)]
        self._free: LifoQueue[_Process] = LifoQueue()  # the last used first: the others need not start
        for process in self._processes:
            self._free.put(process)

    def header(self, paths: Sequence[Path], limits: Limits) -> dict[str, Any]:
        """Rows, columns and bands of the scene of some files; waits until a process is free.

        Args:
            paths: The files, of kinds that are taken.
            limits: How many pixels a scene may have.

        Raises:
            ProblemError: 422 where it is no scene, 413 where it has too many pixels, 503 where no process starts.
        """
        process = self._free.get()
        try:
            found = process.look(paths)
        finally:
            self._free.put(process)
        if "fault" in found:
            raise ProblemError(422, public_text(found["fault"], paths[0].parent), kind="not-a-scene")
        pixels = found["rows"] * found["columns"]
        if pixels > limits.pixels:
            raise ProblemError(
                413, f"the scene has {pixels} pixels; at most {limits.pixels} are taken", kind="too-many-pixels"
            )
        return found

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()


def public_text(text: str, folder: Path) -> str:
    """A message of geoships without the path of the folder that a file lies in, and without secrets of addresses."""
    for place in (folder.resolve(), folder):
        text = text.replace(f"{place}/", "").replace(str(place), "the upload")
    return without_secrets(" ".join(text.split()))
