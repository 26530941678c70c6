"""How the scripts beside this one tell what they took: one line of JSON, which `run.py` reads."""

from __future__ import annotations

import json
import time

MARK = "RESULT "


class Clock:
    """Seconds since the script began, or since the last stage."""

    def __init__(self) -> None:
        self._last, self._stages = time.perf_counter(), {}

    def stage(self, name: str) -> None:
        """End a stage: ``imports``, ``load`` (the model) or ``work`` (scene to files)."""
        now = time.perf_counter()
        self._stages[name] = round(now - self._last, 3)
        self._last = now

    def report(self, **more: object) -> None:
        """Print the stages and what else there is to know."""
        print(MARK + json.dumps({**self._stages, **more}), flush=True)
