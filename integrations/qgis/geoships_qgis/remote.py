"""The algorithm "Detect ships on a server"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterString,
)

from .algorithm import DetectShips, bands_parameter, extra_parameter
from .command import Request
from .settings import server, server_key

# One line per paragraph: QGIS shows line breaks.
HELP = "\n".join(
    [
        "<p>Sends a scene to a geoships server, waits for it, and loads its ships. The server is one that "
        "<code>geoships serve</code> runs, on this computer or elsewhere; the <code>geoships</code> command has to be "
        "installed here, too.</p>",
        "<p><b>Server</b>: its address, e.g. https://ships.example.org; empty: that of Settings &gt; Options &gt; "
        "Processing &gt; Providers &gt; geoships. A key is set only there, so that no log and no model holds it.</p>",
        "<p>The other parameters are those of Detect ships.</p>",
    ]
)


class DetectShipsOnServer(DetectShips):
    """Runs `geoships remote predict` on a raster layer and loads its outputs."""

    def createInstance(self) -> DetectShipsOnServer:
        """Create a new instance for a run."""
        return DetectShipsOnServer()

    def name(self) -> str:
        """Return the second part of the id, geoships:detectshipsonserver."""
        return "detectshipsonserver"

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return "Detect ships on a server"

    def shortDescription(self) -> str:
        """Return a description in one line."""
        return "Lets a geoships server detect the ships of a satellite scene."

    def shortHelpString(self) -> str:
        """Return the help text beside the dialog."""
        return HELP

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare inputs and outputs."""
        super().initAlgorithm(configuration)
        title = "Server (empty: by the settings)"
        self.addParameter(QgsProcessingParameterString("SERVER", title, optional=True))

    def _advanced_parameters(self) -> list[QgsProcessingParameterDefinition]:
        return [bands_parameter(), extra_parameter("geoships remote predict")]

    def _more_environment(self) -> dict[str, str]:
        key = server_key()
        return {"GEOSHIPS_KEY": key} if key else {}

    def _request(self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path) -> Request:
        address = (self.parameterAsString(parameters, "SERVER", context) or server()).strip()
        if not address:
            raise QgsProcessingException(
                "no server: set its address here, or in Settings > Options > Processing > Providers > geoships"
            )
        return replace(super()._request(parameters, context, folder), server=address)
