"""Styles of the outputs."""

from __future__ import annotations

from qgis.core import QgsMapLayer, QgsProcessingContext, QgsProcessingFeedback, QgsProcessingLayerPostProcessorInterface


class StyleBeside(QgsProcessingLayerPostProcessorInterface):
    """Gives a layer the style that lies beside its file (ships.qml beside ships.gpkg), or in its GeoPackage.

    Processing itself opens outputs without it.
    """

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Load the style; without one the layer stays as it is."""
        layer.loadDefaultStyle()
        layer.triggerRepaint()
