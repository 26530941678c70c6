"""Styles of the outputs."""

from __future__ import annotations

from qgis.core import QgsMapLayer, QgsProcessingContext, QgsProcessingFeedback, QgsProcessingLayerPostProcessorInterface


class DefaultStyle(QgsProcessingLayerPostProcessorInterface):
    """Loads the style beside a layer's file (ships.qml beside ships.gpkg), or in its GeoPackage.

    Processing opens outputs without their style.
    """

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Load the style, if there is one."""
        layer.loadDefaultStyle()
        layer.triggerRepaint()
