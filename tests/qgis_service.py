"""What QGIS sees of a job of a running service, as JSON; run by the Python that QGIS is installed for.

python3 qgis_service.py ADDRESS JOB [KEY]
"""

import json
import os
import sys

from qgis.core import (
    QgsApplication,
    QgsAuthMethodConfig,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize, QUrl
from qgis.PyQt.QtGui import QColor

SIDE = 256  # pixels of a picture


def log_in(key):
    """The id of an authentication by HTTP Basic, whose password is the key."""
    manager = QgsApplication.authManager()
    manager.setMasterPassword("test", True)
    config = QgsAuthMethodConfig("Basic")
    config.setName("geoships")
    config.setConfigMap({"username": "qgis", "password": key, "realm": ""})
    manager.storeAuthenticationConfig(config)
    return config.id()


def seen(layer, extent, crs):
    """How many pixels of a picture of a layer are not empty."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(crs)
    settings.setExtent(extent)
    settings.setOutputSize(QSize(SIDE, SIDE))
    settings.setBackgroundColor(QColor(0, 0, 0, 0))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    return sum(image.pixelColor(x, y).alpha() > 0 for x in range(SIDE) for y in range(SIDE))


def quoted(text):
    return bytes(QUrl.toPercentEncoding(text)).decode()


def main():
    address, job, *key = sys.argv[1:]
    login = log_in(key[0]) if key else None
    ships = QgsVectorLayer(
        f"url='{address}' typename='{job}'" + (f" authcfg={login}" if login else ""), "ships", "OAPIF"
    )
    found = {"valid": ships.isValid(), "crs": ships.crs().authid(), "fields": [each.name() for each in ships.fields()]}
    found["ships"] = sorted(
        [each["id"], round(each["score"], 4), round(each["length_m"], 1), each.geometry().isGeosValid()]
        for each in ships.getFeatures()
    )
    west = ships.extent()
    west.setXMaximum(west.center().x())
    found["in_west"] = sum(1 for _ in ships.getFeatures(west))
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    place = QgsCoordinateTransform(ships.crs(), mercator, QgsProject.instance()).transformBoundingBox(ships.extent())
    place.grow(50)
    found["outlines"] = seen(ships, place, mercator)
    tail = f"&authcfg={login}" if login else ""
    tiles = quoted(f"{address}/jobs/{job}/layers/scores/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png")
    wmts = quoted(f"{address}/jobs/{job}/wmts")
    layers = {
        "xyz": f"type=xyz&zmin=0&zmax=20&url={tiles}{tail}",
        "wmts": "crs=EPSG:3857&format=image/png&layers=scores&styles=default&tileMatrixSet=WebMercatorQuad"
        f"&url={wmts}{tail}",
    }
    for name, source in layers.items():
        layer = QgsRasterLayer(source, name, "wms")
        found[name] = {"valid": layer.isValid(), "seen": seen(layer, place, mercator) if layer.isValid() else 0}
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    application = QgsApplication([], True)
    application.initQgis()
    main()
    os._exit(0)  # the order in which Python takes QGIS's objects apart may crash
