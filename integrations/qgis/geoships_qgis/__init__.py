"""A QGIS Processing provider that detects ships with the `geoships` command.

The modules command, environment, executable, messages, process and staging do not import QGIS, so that they can be
tested without it. QGIS 3.22 comes with Python 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoships_qgis.plugin import GeoshipsPlugin


def classFactory(iface: object) -> GeoshipsPlugin:  # noqa: ARG001
    """Create the plugin; QGIS calls this function.

    Args:
        iface: QGIS's interface object, not used.

    Returns:
        The plugin.
    """
    from .plugin import GeoshipsPlugin

    return GeoshipsPlugin()
