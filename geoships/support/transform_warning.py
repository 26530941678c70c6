"""Silences rasterio's warning about a missing transform, in threads, too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class _Silence:
    """One filter of warnings that all threads share: the first sets it, the last takes it away."""

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._caught = warnings.catch_warnings()

    def begin(self) -> None:
        from rasterio.errors import NotGeoreferencedWarning

        with self._lock:
            self._users += 1
            if self._users == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore", NotGeoreferencedWarning)

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._caught.__exit__(None, None, None)


_silence = _Silence()


@contextmanager
def without_transform_warning() -> Iterator[None]:
    """Suppress rasterio's warning about a missing transform: scenes without one are supported, and tell so themselves.

    Threads that each caught warnings for themselves would undo each other's filters, which belong to the process.
    """
    _silence.begin()
    try:
        yield
    finally:
        _silence.end()
