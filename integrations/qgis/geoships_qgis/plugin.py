"""The plugin: it adds the provider to Processing."""

from __future__ import annotations

from qgis.core import QgsApplication

from .models import ModelsTask
from .provider import GeoshipsProvider


class GeoshipsPlugin:
    """Adds and removes the provider. iface: QGIS's window, None without one."""

    def __init__(self, iface: object) -> None:
        self._iface = iface
        self._provider: GeoshipsProvider | None = None
        self._task: ModelsTask | None = None

    def initProcessing(self) -> None:
        """Add the provider."""
        self._add_provider()

    def initGui(self) -> None:
        """Add the provider, and find out which models there are."""
        self._task = ModelsTask(self._add_provider().refreshAlgorithms)
        QgsApplication.taskManager().addTask(self._task)

    def _add_provider(self) -> GeoshipsProvider:
        self._provider = GeoshipsProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)
        return self._provider

    def unload(self) -> None:
        """Remove all that was added."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
