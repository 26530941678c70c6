"""Draw an extent of a QGIS project; run with QGIS's Python.

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 scripts/draw_qgis.py data/demo/harbour.qgz docs/qgis-demo.png
        --extent 504900 106900 513900 112900

The extent is west, south, east, north in the project's CRS.
"""

import argparse
import os
import sys

from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsProject, QgsRectangle
from qgis.PyQt.QtCore import QSize


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project")
    parser.add_argument("picture")
    parser.add_argument("--size", type=int, nargs=2, default=(900, 600), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--extent", type=float, nargs=4, required=True)
    arguments = parser.parse_args()
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    if not project.read(arguments.project):
        sys.exit(f"{arguments.project}: {project.error() or 'QGIS cannot read it'}")
    settings = QgsMapSettings()
    settings.setLayers([layer for layer in project.layerTreeRoot().checkedLayers() if layer.isValid()])
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setOutputSize(QSize(*arguments.size))
    settings.setExtent(QgsRectangle(*arguments.extent))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    drawn = job.renderedImage().save(arguments.picture)
    sys.stdout.flush()
    os._exit(0 if drawn and not job.errors() else 1)  # QGIS can crash while Python ends


main()
