"""Engines that stay open in this process, so that a second run with the same model compiles nothing again."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine
from geoships.model.engines.choose import EngineChoice
from geoships.model.fingerprint import fingerprint
from geoships.model.screen_bundle import ScreenBundle
from geoships.support.threads import compute_threads

KEPT = 4  # engines: those of a model, of its screen and of its verifier, and one of another model


@dataclass
class _Open:
    """An open engine and how many runs use it."""

    engine: Engine
    users: int = 0


class OpenEngines:
    """The engines used last, by all that decides their scores and speed.

    An engine that no run uses keeps its compiled network, and gives back the memory of its feature maps.

    Args:
        kept: Maximum number of engines that stay open while no run uses them.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._lock = kept, Lock()
        self._open: OrderedDict[tuple[object, ...], _Open] = OrderedDict()

    @contextmanager
    def use(
        self, choice: EngineChoice, bundle: Bundle, *, batch_size: int, views: Literal[1, 2, 4, 8] = 1
    ) -> Iterator[Engine]:
        """An engine for a model, as from `EngineChoice.open`; threads that want the same one share it.

        Errors are those of `EngineChoice.open`.
        """
        if type(bundle) not in (Bundle, ScreenBundle):  # its network may depend on more than weights and card
            yield choice.open(bundle, batch_size=batch_size, views=views)
            return
        key = _key(choice, bundle, batch_size, views)
        with self._lock:
            entry = self._open.get(key)
            if entry is None or entry.engine.batch_size < batch_size:  # one that ran out of memory may do better now
                entry = self._open[key] = _Open(choice.open(bundle, batch_size=batch_size, views=views))
            self._open.move_to_end(key)
            entry.users += 1
        try:
            yield entry.engine
        finally:
            with self._lock:
                entry.users -= 1
                if not entry.users:
                    entry.engine.release()
                self._close_oldest()

    def clear(self) -> None:
        """Forget all engines; runs that use one keep it until they end."""
        self._lock = Lock()  # a forked process may have taken over a locked one
        self._open.clear()

    def __len__(self) -> int:
        return len(self._open)

    def _close_oldest(self) -> None:
        idle = [key for key, entry in self._open.items() if not entry.users]
        for key in idle[: max(0, len(self._open) - self._kept)]:
            del self._open[key]


def _key(choice: EngineChoice, bundle: Bundle, batch_size: int, views: int) -> tuple[object, ...]:
    int8 = hashlib.sha256(b"".join(bundle.int8)).digest() if choice.precision == "int8" and bundle.int8 else None
    return choice, batch_size, views, compute_threads(), fingerprint(bundle), int8


OPEN_ENGINES = OpenEngines()
if hasattr(os, "register_at_fork"):  # a forked process has no threads, and an engine computes in one
    os.register_at_fork(after_in_child=OPEN_ENGINES.clear)
