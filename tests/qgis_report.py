"""Prints what QGIS reads from projects and layers as JSON; run with QGIS's Python: `qgis_report.py FOLDER...`."""

import json
import os
import sys
from pathlib import Path

from qgis.core import QgsApplication, QgsCoordinateTransform, QgsMapLayer, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgsMapCanvas


def layer_facts(layer, project):
    vector = layer.type() == QgsMapLayer.VectorLayer
    extent = layer.extent()
    if layer.crs().isValid() and not extent.isEmpty():
        extent = QgsCoordinateTransform(layer.crs(), project.crs(), project).transformBoundingBox(extent)
    return {
        "name": layer.name(),
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "drawn": (layer.renderer().type() if layer.renderer() else None),
        "labels": vector and layer.labelsEnabled(),
        "features": layer.featureCount() if vector else None,
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "visible": project.layerTreeRoot().findLayer(layer.id()).isVisible(),
    }


def project_facts(path, canvas):
    project = QgsProject.instance()
    read = project.read(str(path))
    view = canvas.extent()
    return {
        "read": read,
        "crs": project.crs().authid(),
        "view": [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()],
        "layers": [layer_facts(node.layer(), project) for node in project.layerTreeRoot().findLayers()],
    }


def style_facts(path):
    """How QGIS draws a file that is opened without a project."""
    raster = path.suffix == ".tif"
    layer = QgsRasterLayer(str(path), path.stem, "gdal") if raster else QgsVectorLayer(str(path), path.stem, "ogr")
    return {"valid": layer.isValid(), "drawn": layer.renderer().type() if layer.renderer() else None}


def main():
    application = QgsApplication([], True)
    application.initQgis()
    canvas = QgsMapCanvas()
    canvas.setObjectName("theMapCanvas")
    canvas.resize(600, 600)
    report = {}
    for folder in map(Path, sys.argv[1:]):
        files = [path for path in sorted(folder.iterdir()) if path.suffix in {".tif", ".geojson", ".gpkg", ".fgb"}]
        report[folder.name] = {
            "project": project_facts(next(folder.glob("*.qgz")), canvas),
            "files": {path.name: style_facts(path) for path in files if path.stem != "scene"},
        }
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)  # QGIS can crash while Python ends


main()
