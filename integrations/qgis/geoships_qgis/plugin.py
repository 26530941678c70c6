"""The plugin: it adds the provider to Processing."""

from __future__ import annotations

from processing.core.ProcessingConfig import settingsWatcher
from qgis.core import QgsApplication

from .models import ModelsTask
from .provider import GeoshipsProvider


class GeoshipsPlugin:
    """Adds and removes the provider."""

    def __init__(self) -> None:
        self._provider: GeoshipsProvider | None = None
        self._task: ModelsTask | None = None

    def initProcessing(self) -> None:
        """Add the provider; this is all that is wanted where there is no window."""
        self._provider = GeoshipsProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider, and find out which models there are."""
        self.initProcessing()
        self._ask_for_models()
        settingsWatcher.settingsChanged.connect(self._ask_for_models)

    def _ask_for_models(self) -> None:
        self._task = ModelsTask(self._refresh)
        QgsApplication.taskManager().addTask(self._task)

    def _refresh(self) -> None:
        if self._provider is not None:
            self._provider.refreshAlgorithms()

    def unload(self) -> None:
        """Remove all that was added."""
        if self._task is not None:
            settingsWatcher.settingsChanged.disconnect(self._ask_for_models)
            self._task = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
