"""A QGIS Processing provider that finds ships with the `geoships` command.

QGIS's own modules are imported by those files alone that need them: command, environment, executable, messages,
process and staging are plain Python, and work (and are tested) without QGIS. QGIS 3.22 brings Python 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoships_qgis.plugin import GeoshipsPlugin


def classFactory(iface: object) -> GeoshipsPlugin:  # noqa: ARG001
    """Make the plugin; QGIS calls this. iface: QGIS's window, which is not needed here."""
    from .plugin import GeoshipsPlugin

    return GeoshipsPlugin()
