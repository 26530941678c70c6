"""Prints how QGIS draws classes as JSON; run with QGIS's Python: `qgis_classes.py FOLDER`."""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
    QgsRenderContext,
    QgsVectorLayer,
)


def facts(layer):
    renderer = layer.renderer()
    if layer.type() == QgsMapLayer.RasterLayer:
        classes = renderer.classes() if renderer.type() == "paletted" else []
        return {
            "renderer": renderer.type(),
            "band": renderer.usesBands()[0],
            "categories": [f"{entry.label}|{entry.color.name()}" for entry in classes],
        }
    context = QgsRenderContext()
    renderer.startRender(context, layer.fields())
    undrawn = sum(renderer.symbolForFeature(feature, context) is None for feature in layer.getFeatures())
    renderer.stopRender(context)
    return {
        "renderer": renderer.type(),
        "categories": [
            f"{entry.value()}|{entry.symbol().symbolLayers()[-1].color().name()}" for entry in renderer.categories()
        ],
        "undrawn": undrawn,
    }


def main():
    application = QgsApplication([], False)
    application.initQgis()
    folder, report = Path(sys.argv[1]), {}
    for name in ("found.gpkg", "also.geojson"):
        report[name] = facts(QgsVectorLayer(str(folder / name), name, "ogr"))
    report["m.tif"] = facts(QgsRasterLayer(str(folder / "m.tif"), "m", "gdal"))
    project = QgsProject.instance()
    assert project.read(str(folder / "all.qgz"))
    report.update({layer.name(): facts(layer) for layer in project.mapLayers().values()})
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)  # QGIS can crash while Python ends


main()
