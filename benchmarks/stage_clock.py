"""Times of a script's stages, printed as one line of JSON for `run.py`."""

from __future__ import annotations

import json
import time

RESULT_PREFIX = "RESULT "


class StageClock:
    """Measures the seconds of each stage of a script."""

    def __init__(self) -> None:
        self._last, self._stages = time.perf_counter(), {}

    def stage(self, name: str) -> None:
        """End a stage: ``imports``, ``load`` (the model) or ``work`` (scene to files)."""
        now = time.perf_counter()
        self._stages[name] = round(now - self._last, 3)
        self._last = now

    def report(self, **results: object) -> None:
        """Print the seconds of the stages, and further results."""
        print(RESULT_PREFIX + json.dumps({**self._stages, **results}), flush=True)
