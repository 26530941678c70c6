"""The plugin, which adds the provider to Processing."""

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
        """Add the provider; QGIS calls only this when it runs without a window."""
        self._provider = GeoshipsProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider, and list the models in the background."""
        self.initProcessing()
        self._list_models()
        settingsWatcher.settingsChanged.connect(self._list_models)

    def _list_models(self) -> None:
        self._task = ModelsTask(self._refresh)
        QgsApplication.taskManager().addTask(self._task)

    def _refresh(self) -> None:
        if self._provider is not None:
            self._provider.refreshAlgorithms()

    def unload(self) -> None:
        """Remove the provider."""
        if self._task is not None:
            settingsWatcher.settingsChanged.disconnect(self._list_models)
            self._task = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
