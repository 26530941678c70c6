"""Asking geoships for its models in the background: it takes seconds, and QGIS should not wait."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from qgis.core import QgsTask

from .environment import clean_environment
from .executable import ExecutableError
from .process import run
from .settings import executable, models_are_current, remember_models


class ModelsTask(QgsTask):
    """Runs `geoships models` and remembers the names, unless they are known.

    on_news: called in the main thread when there are other names than before.
    """

    def __init__(self, on_news: Callable[[], None]) -> None:
        super().__init__("Models of geoships", QgsTask.Flag.CanCancel)
        self._on_news = on_news
        self._names: list[str] | None = None
        self._executable = _found()

    def run(self) -> bool:
        """Do the work, in a thread of QGIS's."""
        if self._executable is None or models_are_current(self._executable):
            return True
        try:
            command = [str(self._executable), "models", "--json"]
            ended = run(command, clean_environment(os.environ), on_line=lambda _: None, cancelled=self.isCanceled)
            self._names = names_of(ended.output)
        except (OSError, ValueError):
            return False
        return True

    def finished(self, result: bool) -> None:
        """Keep the result, in the main thread."""
        if result and self._names and self._executable:
            remember_models(self._executable, self._names)
            self._on_news()


def _found() -> Path | None:
    try:
        return executable()
    except ExecutableError:
        return None


def names_of(cards: str) -> list[str]:
    """Models that find ships in scenes, of the output of `geoships models --json`. Raises ValueError."""
    return [name for name, card in json.loads(cards).items() if "classification" not in card.get("mlm:tasks", ())]
