"""Lists the models of geoships in the background, because it takes seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from qgis.core import QgsTask

from .environment import clean_environment
from .executable import ExecutableError
from .process import run
from .settings import executable, models_are_current, store_models


class ModelsTask(QgsTask):
    """Runs `geoships models` and stores the names, unless they are up to date.

    Args:
        on_change: Called in the main thread after new names have been stored.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__("Models of geoships", QgsTask.Flag.CanCancel)
        self._on_change = on_change
        self._names: list[str] | None = None
        self._executable = _find_executable()

    def run(self) -> bool:
        """List the models, in a worker thread of QGIS."""
        if self._executable is None or models_are_current(self._executable):
            return True
        try:
            command = [str(self._executable), "models", "--json"]
            result = run(command, clean_environment(os.environ), on_line=lambda _: None, cancelled=self.isCanceled)
            self._names = parse_names(result.output)
        except (OSError, ValueError):
            return False
        return True

    def finished(self, result: bool) -> None:
        """Store the result, in the main thread."""
        if result and self._names and self._executable:
            store_models(self._executable, self._names)
            self._on_change()


def _find_executable() -> Path | None:
    try:
        return executable()
    except ExecutableError:
        return None


def parse_names(cards: str) -> list[str]:
    """Parse the output of `geoships models --json`.

    Args:
        cards: JSON of the models' cards.

    Returns:
        Names of the models that segment scenes, without chip classifiers.

    Raises:
        ValueError: The output is not JSON.
    """
    return [name for name, card in json.loads(cards).items() if "classification" not in card.get("mlm:tasks", ())]
