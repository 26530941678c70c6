#!/usr/bin/python3
"""Accept the QGIS plugin's zip with the real QGIS, headless, and the real geoships.

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 scripts/accept_qgis_plugin.py --plugin dist/geoships_qgis-0.1.0.zip \
        --executable .venv/bin/geoships --scene data/demo/harbour.tif

Prints one line a check. Exit code 0: all passed; 1: the first that failed is the last line.
QGIS brings a Python of its own, 3.9 or newer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from pathlib import Path

WORK = Path(tempfile.mkdtemp(prefix="accept-qgis-plugin-"))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QGIS_CUSTOM_CONFIG_PATH"] = str(WORK / "profile")  # no user settings leak in
os.environ["GDAL_PAM_ENABLED"] = "NO"  # nothing is written beside the scenes
TEMPORARY = WORK / "temporary"
TEMPORARY.mkdir()
os.environ["TMPDIR"] = tempfile.tempdir = str(TEMPORARY)  # what a run leaves there is seen
CLEAN = dict(os.environ)

import qgis.utils  # noqa: E402
from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

ALGORITHM = "geoships:detectships"
# What QGIS's launchers set on one system or another; geoships must not see it.
QGIS_ENVIRONMENT = {
    "PYTHONHOME": "/nonexistent/python",
    "PYTHONPATH": "/nonexistent/python/lib",
    "GDAL_DATA": "/nonexistent/gdal",
    "GDAL_DRIVER_PATH": "/nonexistent/gdalplugins",
    "PROJ_LIB": "/nonexistent/proj",
    "PROJ_DATA": "/nonexistent/proj",
    "LD_LIBRARY_PATH": "/nonexistent/lib",
}
# A style that is told from QGIS's own by its colour
STYLE = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'><qgis version="3.22" styleCategories="Symbology">
<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0"><symbols>
<symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleFill" pass="0" enabled="1"
locked="0"><Option type="Map"><Option type="QString" name="color" value="1,2,3,255"/></Option>
<prop k="color" v="1,2,3,255"/></layer></symbol></symbols></renderer-v2></qgis>"""


class Heard(QgsProcessingFeedback):
    """Feedback that keeps what it hears, and may cancel the run some time after its first message."""

    def __init__(self, cancel_after: float | None = None) -> None:
        super().__init__(False)
        self.texts: list[str] = []
        self.percents: list[float] = []
        self.cancelled_at = 0.0
        self._cancel_after = cancel_after
        self.progressChanged.connect(self.percents.append)

    def pushInfo(self, text: str) -> None:  # noqa: N802
        """Keep a message; the first that geoships sends starts the clock."""
        self.texts.append(text)
        if self._cancel_after is not None and text.startswith("model: "):
            threading.Timer(self._cancel_after, self._cancel).start()

    def pushWarning(self, text: str) -> None:  # noqa: N802
        """Keep a warning."""
        self.texts.append(f"warning: {text}")

    def _cancel(self) -> None:
        self.cancelled_at = time.monotonic()
        self.cancel()


def check(ok: bool, what: str) -> None:
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)
    if not ok:
        raise SystemExit(1)


def install(plugin: Path) -> None:
    """Install the zip, and load it as QGIS does."""
    folder = WORK / "plugins"
    with zipfile.ZipFile(plugin) as archive:
        archive.extractall(folder)
    processing_folder = Path(QgsApplication.pkgDataPath(), "python", "plugins")
    sys.path[:0] = [str(processing_folder), str(folder)]
    qgis.utils.plugin_paths = [str(processing_folder), str(folder)]
    qgis.utils.updateAvailablePlugins()
    check("geoships_qgis" in qgis.utils.available_plugins, "QGIS sees the plugin, and takes its metadata")
    from processing.core.Processing import Processing

    Processing.initialize()
    loaded = qgis.utils.loadPlugin("geoships_qgis") and qgis.utils.startProcessingPlugin("geoships_qgis")
    check(bool(loaded), "the plugin loads")
    algorithm = QgsApplication.processingRegistry().algorithmById(ALGORITHM)
    check(algorithm is not None, f"Processing has {ALGORITHM}")
    check(not algorithm.icon().isNull() and algorithm.icon().pixmap(32, 32).width() > 0, "its icon can be drawn")


def set_executable(path: str) -> None:
    from processing.core.ProcessingConfig import ProcessingConfig

    ProcessingConfig.settings["GEOSHIPS_EXECUTABLE"].value = path


def run(parameters: dict[str, object], feedback: Heard, context: QgsProcessingContext | None = None) -> dict:
    import processing

    os.environ.update(QGIS_ENVIRONMENT)
    try:
        return processing.run(ALGORITHM, parameters, feedback=feedback, context=context or QgsProcessingContext())
    finally:
        for name in QGIS_ENVIRONMENT:
            os.environ.pop(name, None)


def by_cli(executable: Path, scene: Path, folder: Path) -> tuple[int, QgsVectorLayer]:
    """Ships that the command line finds: their number, and their layer."""
    out = folder / "cli.gpkg"
    command = [str(executable), "predict", str(scene), "--out", str(out), "--json", "--quiet"]
    ended = subprocess.run(command, env=CLEAN, capture_output=True, text=True, check=True)  # noqa: S603
    return int(json.loads(ended.stdout)["ships"]), QgsVectorLayer(str(out), "cli", "ogr")


def accept_scene(executable: Path, scene: Path) -> None:
    folder = WORK / scene.stem
    folder.mkdir()
    count, reference = by_cli(executable, scene, folder)
    heard, parameters = Heard(), {"INPUT": str(scene), "OUTPUT": str(folder / "ships.gpkg")}
    parameters.update(MASK=str(folder / "mask.tif"), SCORES=str(folder / "scores.tif"))
    result = run(parameters, heard)
    layer = QgsVectorLayer(result["OUTPUT"], "ships", "ogr")
    check(layer.isValid() and layer.featureCount() == result["SHIPS"] == count > 0, f"{scene.name}: {count} ships")
    same = [feature.geometry().asWkt() for feature in layer.getFeatures()] == [
        feature.geometry().asWkt() for feature in reference.getFeatures()
    ]
    check(same and layer.crs() == reference.crs(), f"{scene.name}: the ships of the command line, to the last vertex")
    rasters = [QgsRasterLayer(result[name], name, "gdal") for name in ("MASK", "SCORES")]
    original = QgsRasterLayer(str(scene), "scene", "gdal")
    check(all(raster.isValid() and raster.extent() == original.extent() for raster in rasters), "rasters on its grid")
    check(heard.percents == sorted(heard.percents) and heard.percents[-1] == 100, f"progress: {heard.percents}")
    check(any(text.startswith("bands: ") for text in heard.texts), "the choices of geoships are told")
    expected = {"cli.gpkg", "ships.gpkg", "mask.tif", "scores.tif"}
    left = {path.name for path in folder.iterdir() if path.suffix not in (".qml", ".gpkg-wal", ".gpkg-shm")}
    check(left == expected, f"nothing else is written: {sorted(left)}")


def accept_area(scene: Path) -> None:
    """An extent, and a layer of polygons in another CRS, limit the ships; a loaded layer gets the style beside it."""
    raster = QgsRasterLayer(str(scene), "scene", "gdal")
    box = raster.extent()
    half = QgsRectangle(box.xMinimum(), box.yMinimum(), box.center().x(), box.yMaximum())
    extent = f"{half.xMinimum()},{half.xMaximum()},{half.yMinimum()},{half.yMaximum()} [{raster.crs().authid()}]"
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    out = WORK / "half.geojson"
    context.addLayerToLoadOnCompletion(
        str(out), QgsProcessingContext.LayerDetails("half", QgsProject.instance(), "OUTPUT")
    )
    result = run({"INPUT": raster, "EXTENT": extent, "OUTPUT": str(out)}, Heard(), context)
    layer = QgsVectorLayer(str(out), "half", "ogr")
    by_extent = layer.featureCount()
    check(by_extent == result["SHIPS"] > 0, f"an extent of the left half: {by_extent} ships")
    out.with_suffix(".qml").write_text(STYLE, encoding="utf-8")
    plain = QgsVectorLayer(str(out), "half", "ogr", QgsVectorLayer.LayerOptions(True, False))
    styler = context.layerToLoadOnCompletionDetails(str(out)).postProcessor()
    check(styler is not None, "a loaded layer is styled")
    styler.postProcessLayer(plain, context, Heard())
    check(plain.renderer().symbol().color().getRgb()[:3] == (1, 2, 3), "the style beside the file is taken")

    import processing

    polygon = processing.run(
        "native:extenttolayer", {"INPUT": extent, "OUTPUT": "memory:"}, context=QgsProcessingContext()
    )["OUTPUT"]
    moved = processing.run("native:reprojectlayer", {"INPUT": polygon, "TARGET_CRS": "EPSG:3857", "OUTPUT": "memory:"})[
        "OUTPUT"
    ]
    result = run({"INPUT": raster, "AREA": moved, "OUTPUT": "TEMPORARY_OUTPUT"}, Heard())
    check(result["SHIPS"] == by_extent, "polygons of a layer in Web Mercator give the same")


def accept_errors(scene: Path, executable: Path) -> None:
    folder = WORK / "errors"
    folder.mkdir()
    out = str(folder / "ships.gpkg")

    def refusal(**parameters: object) -> str:
        try:
            run({"INPUT": str(scene), "OUTPUT": out, **parameters}, Heard())
        except QgsProcessingException as error:
            return str(error)
        return ""

    said = refusal(MODEL="no-such-model")
    check("no-such-model" in said and "Traceback" not in said, f"geoships's error is the algorithm's: {said}")
    said = refusal(EXTRA="--no-such-option")
    check("--no-such-option" in said, f"wrong use is named: {said}")
    said = refusal(OUTPUT=str(folder / "no" / "ships.gpkg"))
    check("does not exist" in said, f"a missing folder is named: {said}")
    set_executable("/nonexistent/geoships")
    said = refusal()
    check("/nonexistent/geoships" in said, f"a wrong executable is named: {said}")
    set_executable("")
    path, home = os.environ["PATH"], os.environ.get("HOME", "")
    os.environ.update(PATH="/nonexistent", HOME="/nonexistent")
    said = refusal()
    os.environ.update(PATH=path, HOME=home)
    set_executable(str(executable))
    check("uv tool install geoships" in said, f"without geoships it says how to install it: {said}")
    check(not list(folder.iterdir()), "failed runs leave nothing")


def accept_cancel(scene: Path) -> None:
    folder = WORK / "cancelled"
    folder.mkdir()
    heard = Heard(cancel_after=1.0)
    before = set(TEMPORARY.iterdir())
    parameters = {name: str(folder / f"{name}.tif") for name in ("MASK", "SCORES")}
    ended = run({"INPUT": str(scene), "OUTPUT": str(folder / "ships.gpkg"), **parameters}, heard)
    seconds = time.monotonic() - heard.cancelled_at
    check(heard.isCanceled() and "SHIPS" not in ended, "a run was cancelled in the middle")
    check(seconds < 5, f"it ended {seconds:.1f} s later")
    check(not processes_with(str(folder)), "no process of it is left")
    left = [path.name for path in folder.iterdir()]
    check(not left, f"no file of it is left {left or ''}")
    temporary = [path.name for path in set(TEMPORARY.iterdir()) - before]
    check(not temporary, f"nor in the temporary folder {temporary or ''}")


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that hold a text (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plugin", type=Path, required=True, help="the plugin's zip")
    parser.add_argument("--executable", type=Path, required=True, help="the geoships command")
    parser.add_argument(
        "--scene", type=Path, action="append", required=True, help="a scene with ships; may be repeated"
    )
    arguments = parser.parse_args()
    application = QgsApplication([], False)
    application.initQgis()
    try:
        accept(arguments.plugin, arguments.executable.absolute(), [scene.absolute() for scene in arguments.scene])
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    else:
        code = 0
    shutil.rmtree(WORK, ignore_errors=True)
    sys.stdout.flush()
    os._exit(code)  # without QGIS's own teardown, which is not what is checked here


def accept(plugin: Path, executable: Path, scenes: list[Path]) -> None:
    """All checks. Raises SystemExit at the first that fails."""
    install(plugin)
    set_executable(str(executable))
    for scene in scenes:
        accept_scene(executable, scene)
    accept_area(scenes[0])
    accept_errors(scenes[0], executable)
    accept_cancel(scenes[0])


if __name__ == "__main__":
    main()
