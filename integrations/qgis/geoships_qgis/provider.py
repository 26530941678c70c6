"""The Processing provider."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import DetectShips
from .remote import DetectShipsOnServer
from .settings import add_settings, remove_settings

ICON = Path(__file__).with_name("icon.svg")


class GeoshipsProvider(QgsProcessingProvider):
    """Provides the algorithms and the file formats of its outputs."""

    def load(self) -> bool:
        """Add settings and algorithms."""
        add_settings(self.icon())
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Remove the settings."""
        remove_settings()

    def loadAlgorithms(self) -> None:
        """Add the algorithms."""
        self.addAlgorithm(DetectShips())
        self.addAlgorithm(DetectShipsOnServer())

    def id(self) -> str:
        """Return the first part of the algorithm's id, geoships:detectships."""
        return "geoships"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "geoships"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return QIcon(str(ICON))

    def svgIconPath(self) -> str:
        """Return the path of the icon for large sizes."""
        return str(ICON)

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Return the vector formats that geoships writes and QGIS reads; the first is the default."""
        return ["gpkg", "geojson", "fgb"]

    def defaultVectorFileExtension(self, hasGeometry: bool = True) -> str:
        """Return GeoPackage, which keeps the scene's CRS."""
        return "gpkg"

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return the extensions of GeoTIFF."""
        return ["tif", "tiff"]

    def defaultRasterFileExtension(self) -> str:
        """Return the extensions of GeoTIFF."""
        return "tif"

    def supportsNonFileBasedOutput(self) -> bool:
        """Return False: outputs must be files."""
        return False
