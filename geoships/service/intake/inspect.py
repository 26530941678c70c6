"""Looks at the header of an uploaded scene in a process of its own, so that no file can take the service along."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
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


class Inspector:
    """Looks at headers; use it as a context manager, or call `close`."""

    def __init__(self) -> None:
        self._pool: Executor | None = None
        self._lock = threading.Lock()

    def header(self, paths: Sequence[Path], limits: Limits) -> dict[str, Any]:
        """Rows, columns and bands of the scene of some files.

        Args:
            paths: The files, of kinds that are taken.
            limits: How many pixels a scene may have.

        Raises:
            ProblemError: 422 where it is no scene, 413 where it has too many pixels.
        """
        pool = self._running()
        try:
            pool.submit(ready).result(timeout=STARTING)  # the start is no fault of the file
            found = pool.submit(look, [str(path) for path in paths]).result(timeout=PATIENCE)
        except (BrokenProcessPool, Late):
            self._end(pool)
            found = {"fault": "its header cannot be read; it is damaged, or made to do harm"}
        if "fault" in found:
            raise ProblemError(422, public_text(found["fault"], paths[0].parent), kind="not-a-scene")
        pixels = found["rows"] * found["columns"]
        if pixels > limits.pixels:
            raise ProblemError(
                413, f"the scene has {pixels} pixels; at most {limits.pixels} are taken", kind="too-many-pixels"
            )
        return found

    def _running(self) -> Executor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(PROCESSES, mp_context=context)
            return self._pool

    def _end(self, pool: Executor) -> None:
        """Kill the processes of a pool of which one is dead or hangs; the next file gets a new one."""
        with self._lock:
            if self._pool is pool:
                self._pool = None
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            with suppress(OSError, ValueError):
                process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(wait=True, cancel_futures=True)


def public_text(text: str, folder: Path) -> str:
    """A message of geoships without the path of the folder that a file lies in, and without secrets of addresses."""
    for place in (folder.resolve(), folder):
        text = text.replace(f"{place}/", "").replace(str(place), "the upload")
    return without_secrets(" ".join(text.split()))
