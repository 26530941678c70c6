"""The Processing provider."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import DetectShips
from .settings import add_settings, remove_settings

ICON = Path(__file__).with_name("icon.svg")


class GeoshipsProvider(QgsProcessingProvider):
    """Holds the algorithm, and says which files it writes."""

    def load(self) -> bool:
        """Add settings and algorithms."""
        add_settings(self.icon())
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Remove the settings."""
        remove_settings()

    def loadAlgorithms(self) -> None:
        """Add the algorithm."""
        self.addAlgorithm(DetectShips())

    def id(self) -> str:
        """First part of the algorithm's id, geoships:detectships."""
        return "geoships"

    def name(self) -> str:
        """Name in the toolbox."""
        return "geoships"

    def icon(self) -> QIcon:
        """Picture in the toolbox."""
        return QIcon(str(ICON))

    def svgIconPath(self) -> str:
        """Picture for large views."""
        return str(ICON)

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Vector formats that both geoships and QGIS know; the first is the default."""
        return ["gpkg", "geojson", "fgb"]

    def defaultVectorFileExtension(self, hasGeometry: bool = True) -> str:
        """GeoPackage: it keeps the scene's CRS."""
        return "gpkg"

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Cloud Optimized GeoTIFF."""
        return ["tif", "tiff"]

    def defaultRasterFileExtension(self) -> str:
        """Cloud Optimized GeoTIFF."""
        return "tif"

    def supportsNonFileBasedOutput(self) -> bool:
        """Outputs are files."""
        return False
