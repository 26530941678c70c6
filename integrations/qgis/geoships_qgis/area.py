"""Writes the area of interest to a file for geoships."""

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
    """Write polygons as a GeoPackage.

    Args:
        path: File to write.
        polygons: The area to search.
        crs: CRS of the polygons.

    Raises:
        QgsProcessingException: There is no polygon or no CRS, or the file cannot be written.
    """
    if not crs.isValid():
        raise QgsProcessingException("The area to search has no CRS: set the CRS of its layer or of the scene.")
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
        raise QgsProcessingException("The area to search has no polygon: draw one, or leave the field empty.")


def _feature(polygon: QgsGeometry) -> QgsFeature:
    multipolygon = QgsGeometry(polygon)
    multipolygon.convertToMultiType()
    feature = QgsFeature()
    feature.setGeometry(multipolygon)
    return feature
