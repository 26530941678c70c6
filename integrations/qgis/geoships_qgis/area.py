"""The area of interest as a file for geoships."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFields,
    QgsGeometry,
    QgsProcessingException,
    QgsVectorFileWriter,
    QgsWkbTypes,
)


def write_area(path: Path, polygons: Iterable[QgsGeometry], crs: QgsCoordinateReferenceSystem) -> None:
    """Write polygons as a GeoPackage. Raises QgsProcessingException, also where there is none, or no CRS."""
    if not crs.isValid():
        raise QgsProcessingException("The area to search has no CRS: set its layer's, or the scene's, first.")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = "area"
    writer = QgsVectorFileWriter.create(
        str(path), QgsFields(), QgsWkbTypes.Type.MultiPolygon, crs, QgsCoordinateTransformContext(), options
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise QgsProcessingException(f"The area to search cannot be written: {writer.errorMessage()}")
    written = sum(writer.addFeature(_feature(polygon)) for polygon in polygons if not polygon.isEmpty())
    del writer  # closes the file
    if not written:
        raise QgsProcessingException("The area to search holds no polygon: draw one, or leave it out.")


def _feature(polygon: QgsGeometry) -> QgsFeature:
    whole = QgsGeometry(polygon)
    whole.convertToMultiType()
    feature = QgsFeature()
    feature.setGeometry(whole)
    return feature
