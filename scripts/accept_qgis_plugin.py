#!/usr/bin/python3
"""Test the QGIS plugin's zip file in a headless QGIS with an installed geoships.

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 scripts/accept_qgis_plugin.py --plugin dist/geoships_qgis-0.1.0.zip \
        --executable .venv/bin/geoships --scene data/demo/harbour.tif

Prints one line per check. Exit code 0: all passed; 1: the last line is the check that failed.
Run it with QGIS's own Python, 3.9 or newer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
import zipfile
from pathlib import Path

WORK = Path(tempfile.mkdtemp(prefix="accept-qgis-plugin-"))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QGIS_CUSTOM_CONFIG_PATH"] = str(WORK / "profile")  # without the user's settings
os.environ["GDAL_PAM_ENABLED"] = "NO"  # no .aux.xml files beside the scenes
TEMPORARY = WORK / "temporary"
TEMPORARY.mkdir()
os.environ["TMPDIR"] = tempfile.tempdir = str(TEMPORARY)  # to see what a run leaves there
ENVIRONMENT = dict(os.environ)

import qgis.utils  # noqa: E402
from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsCoordinateTransform,
    QgsFeature,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

ALGORITHM = "geoships:detectships"
ON_SERVER = "geoships:detectshipsonserver"
# Variables that QGIS's launchers set on some systems; geoships must not get them.
QGIS_ENVIRONMENT = {
    "PYTHONHOME": "/nonexistent/python",
    "PYTHONPATH": "/nonexistent/python/lib",
    "GDAL_DATA": "/nonexistent/gdal",
    "GDAL_DRIVER_PATH": "/nonexistent/gdalplugins",
    "PROJ_LIB": "/nonexistent/proj",
    "PROJ_DATA": "/nonexistent/proj",
    "LD_LIBRARY_PATH": "/nonexistent/lib",
}
# A style whose colour differs from QGIS's default
STYLE = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'><qgis version="3.22" styleCategories="Symbology">
<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0"><symbols>
<symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleFill" pass="0" enabled="1"
locked="0"><Option type="Map"><Option type="QString" name="color" value="1,2,3,255"/></Option>
<prop k="color" v="1,2,3,255"/></layer></symbol></symbols></renderer-v2></qgis>"""


class RecordedFeedback(QgsProcessingFeedback):
    """Feedback that records messages, and can cancel the run some seconds after its first message."""

    def __init__(self, cancel_after: float | None = None) -> None:
        super().__init__(False)
        self.texts: list[str] = []
        self.percents: list[float] = []
        self.cancelled_at = 0.0
        self._cancel_after = cancel_after
        self.progressChanged.connect(self.percents.append)

    def pushInfo(self, text: str) -> None:  # noqa: N802
        """Record a message; the first one of geoships starts the timer."""
        self.texts.append(text)
        if self._cancel_after is not None and text.startswith("model: "):
            threading.Timer(self._cancel_after, self._cancel).start()

    def pushWarning(self, text: str) -> None:  # noqa: N802
        """Record a warning."""
        self.texts.append(f"warning: {text}")

    def _cancel(self) -> None:
        self.cancelled_at = time.monotonic()
        self.cancel()


def check(ok: bool, what: str) -> None:
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)
    if not ok:
        raise SystemExit(1)


def install(plugin: Path) -> None:
    """Install the zip file and load it as QGIS does."""
    folder = WORK / "plugins"
    with zipfile.ZipFile(plugin) as archive:
        archive.extractall(folder)
    processing_folder = Path(QgsApplication.pkgDataPath(), "python", "plugins")
    sys.path[:0] = [str(processing_folder), str(folder)]
    qgis.utils.plugin_paths = [str(processing_folder), str(folder)]
    qgis.utils.updateAvailablePlugins()
    check("geoships_qgis" in qgis.utils.available_plugins, "QGIS lists the plugin and accepts its metadata")
    from processing.core.Processing import Processing

    Processing.initialize()
    loaded = qgis.utils.loadPlugin("geoships_qgis") and qgis.utils.startProcessingPlugin("geoships_qgis")
    check(bool(loaded), "the plugin loads")
    algorithm = QgsApplication.processingRegistry().algorithmById(ALGORITHM)
    check(algorithm is not None, f"Processing has {ALGORITHM}")
    check(not algorithm.icon().isNull() and algorithm.icon().pixmap(32, 32).width() > 0, "its icon can be drawn")


def set_executable(path: str) -> None:
    set_setting("GEOSHIPS_EXECUTABLE", path)


def set_setting(name: str, value: str) -> None:
    from processing.core.ProcessingConfig import ProcessingConfig

    ProcessingConfig.settings[name].value = value


def run(
    parameters: dict[str, object],
    feedback: RecordedFeedback,
    context: QgsProcessingContext | None = None,
    algorithm: str = ALGORITHM,
) -> dict:
    import processing

    os.environ.update(QGIS_ENVIRONMENT)
    try:
        return processing.run(algorithm, parameters, feedback=feedback, context=context or QgsProcessingContext())
    finally:
        for name in QGIS_ENVIRONMENT:
            os.environ.pop(name, None)


def predict_with_cli(executable: Path, scene: Path, folder: Path) -> tuple[int, QgsVectorLayer]:
    """Return the number of ships that the command line detects, and their layer."""
    out = folder / "cli.gpkg"
    command = [str(executable), "predict", str(scene), "--out", str(out), "--overwrite", "--json", "--quiet"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)  # noqa: S603
    return int(json.loads(result.stdout)["ships"]), QgsVectorLayer(str(out), "cli", "ogr")


def accept_scene(executable: Path, scene: Path) -> None:
    folder = WORK / scene.stem
    folder.mkdir()
    count, reference = predict_with_cli(executable, scene, folder)
    feedback, parameters = RecordedFeedback(), {"INPUT": str(scene), "OUTPUT": str(folder / "ships.gpkg")}
    parameters.update(MASK=str(folder / "mask.tif"), SCORES=str(folder / "scores.tif"))
    result = run(parameters, feedback)
    layer = QgsVectorLayer(result["OUTPUT"], "ships", "ogr")
    check(layer.isValid() and layer.featureCount() == result["SHIPS"] == count > 0, f"{scene.name}: {count} ships")
    same = [feature.geometry().asWkt() for feature in layer.getFeatures()] == [
        feature.geometry().asWkt() for feature in reference.getFeatures()
    ]
    check(same and layer.crs() == reference.crs(), f"{scene.name}: the same vertices as from the command line")
    rasters = [QgsRasterLayer(result[name], name, "gdal") for name in ("MASK", "SCORES")]
    original = QgsRasterLayer(str(scene), "scene", "gdal")
    check(
        all(raster.isValid() and raster.extent() == original.extent() for raster in rasters),
        "rasters on the scene's grid",
    )
    check(
        feedback.percents == sorted(feedback.percents) and feedback.percents[-1] == 100,
        f"progress: {feedback.percents}",
    )
    check(any(text.startswith("bands: ") for text in feedback.texts), "messages of geoships are shown")
    expected = {"cli.gpkg", "ships.gpkg", "mask.tif", "scores.tif"}
    written = {path.name for path in folder.iterdir() if path.suffix not in (".qml", ".gpkg-wal", ".gpkg-shm")}
    check(written == expected, f"no other file is written: {sorted(written)}")


def accept_area(scene: Path) -> None:
    """Check that an extent, and polygons in another CRS, limit the ships, and that a loaded layer gets its style."""
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
    result = run({"INPUT": raster, "EXTENT": extent, "OUTPUT": str(out)}, RecordedFeedback(), context)
    layer = QgsVectorLayer(str(out), "half", "ogr")
    by_extent = layer.featureCount()
    check(by_extent == result["SHIPS"] > 0, f"an extent of the left half: {by_extent} ships")
    out.with_suffix(".qml").write_text(STYLE, encoding="utf-8")
    plain = QgsVectorLayer(str(out), "half", "ogr", QgsVectorLayer.LayerOptions(True, False))
    styler = context.layerToLoadOnCompletionDetails(str(out)).postProcessor()
    check(styler is not None, "a loaded layer is styled")
    styler.postProcessLayer(plain, context, RecordedFeedback())
    check(plain.renderer().symbol().color().getRgb()[:3] == (1, 2, 3), "the style beside the file is loaded")

    import processing

    polygon = processing.run(
        "native:extenttolayer", {"INPUT": extent, "OUTPUT": "memory:"}, context=QgsProcessingContext()
    )["OUTPUT"]
    reprojected = processing.run(
        "native:reprojectlayer", {"INPUT": polygon, "TARGET_CRS": "EPSG:3857", "OUTPUT": "memory:"}
    )["OUTPUT"]
    result = run({"INPUT": raster, "AREA": reprojected, "OUTPUT": "TEMPORARY_OUTPUT"}, RecordedFeedback())
    check(result["SHIPS"] == by_extent, "polygons in Web Mercator give the same ships")


def accept_errors(scene: Path, executable: Path) -> None:
    folder = WORK / "errors"
    folder.mkdir()
    out = str(folder / "ships.gpkg")

    def error_of(**parameters: object) -> str:
        try:
            run({"INPUT": str(scene), "OUTPUT": out, **parameters}, RecordedFeedback())
        except QgsProcessingException as error:
            return str(error)
        return ""

    message = error_of(MODEL="no-such-model")
    check("no-such-model" in message and "Traceback" not in message, f"the error of geoships is shown: {message}")
    message = error_of(EXTRA="--no-such-option")
    check("--no-such-option" in message, f"an unknown option is named: {message}")
    message = error_of(OUTPUT=str(folder / "no" / "ships.gpkg"))
    check("does not exist" in message, f"a missing folder is named: {message}")
    set_executable("/nonexistent/geoships")
    message = error_of()
    check("/nonexistent/geoships" in message, f"a wrong executable is named: {message}")
    set_executable("")
    path, home = os.environ["PATH"], os.environ.get("HOME", "")
    os.environ.update(PATH="/nonexistent", HOME="/nonexistent")
    message = error_of()
    os.environ.update(PATH=path, HOME=home)
    set_executable(str(executable))
    check("uv tool install geoships" in message, f"without geoships, the error says how to install it: {message}")
    check(not list(folder.iterdir()), "failed runs leave no file")


def accept_cancel(scene: Path) -> None:
    folder = WORK / "cancelled"
    folder.mkdir()
    feedback = RecordedFeedback(cancel_after=1.0)
    before = set(TEMPORARY.iterdir())
    parameters = {name: str(folder / f"{name}.tif") for name in ("MASK", "SCORES")}
    result = run({"INPUT": str(scene), "OUTPUT": str(folder / "ships.gpkg"), **parameters}, feedback)
    seconds = time.monotonic() - feedback.cancelled_at
    check(feedback.isCanceled() and "SHIPS" not in result, "a run was cancelled")
    check(seconds < 5, f"it ended {seconds:.1f} s later")
    check(not processes_with(str(folder)), "no process is left")
    left = [path.name for path in folder.iterdir()]
    check(not left, f"no output file is left {left or ''}")
    temporary = [path.name for path in set(TEMPORARY.iterdir()) - before]
    check(not temporary, f"no temporary file is left {temporary or ''}")


def accept_server(scene: Path, executable: Path) -> None:
    """Check that a server on this machine gives the same ships, and that a wrong address and key are told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, folder = f"http://127.0.0.1:{port}", WORK / "server"
    count, reference = predict_with_cli(executable, scene, WORK)
    command = [str(executable), "serve", "--port", str(port), "--data-dir", str(folder)]
    server = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        wait_for(f"{address}/healthz")
        feedback, parameters = RecordedFeedback(), {"INPUT": str(scene), "OUTPUT": str(WORK / "remote.gpkg")}
        set_setting("GEOSHIPS_SERVER", address)
        result = run(parameters, feedback, algorithm=ON_SERVER)
        layer = QgsVectorLayer(result["OUTPUT"], "remote", "ogr")
        check(layer.featureCount() == result["SHIPS"] == count, f"a server on this machine: {count} ships")
        to_reference = QgsCoordinateTransform(layer.crs(), reference.crs(), QgsProject.instance())
        check(
            all(lies_on(ship, reference, to_reference) for ship in layer.getFeatures()), "they lie where the others lie"
        )
    finally:
        server.terminate()
        server.wait(30)
    try:
        run({**parameters, "OUTPUT": str(WORK / "none.gpkg")}, RecordedFeedback(), algorithm=ON_SERVER)
        message = ""
    except QgsProcessingException as error:
        message = str(error)
    check(address in message and "Traceback" not in message, f"a server that does not answer is named: {message}")


def lies_on(ship: QgsFeature, layer: QgsVectorLayer, transform: QgsCoordinateTransform) -> bool:
    """Return whether a ship touches one of another layer."""
    outline = ship.geometry()
    outline.transform(transform)
    return any(other.geometry().intersects(outline) for other in layer.getFeatures())


def wait_for(address: str) -> None:
    """Wait until a server answers. Raises TimeoutError after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - a server of this machine
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


def processes_with(text: str) -> list[str]:
    """Return the command lines of running processes that contain a text (Linux)."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plugin", type=Path, required=True, help="the plugin's zip file")
    parser.add_argument("--executable", type=Path, required=True, help="the geoships command")
    parser.add_argument(
        "--scene", type=Path, action="append", required=True, help="a scene with ships; can be repeated"
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
    os._exit(code)  # QGIS can crash in its teardown, which is not tested here


def accept(plugin: Path, executable: Path, scenes: list[Path]) -> None:
    """Run all checks. Raises SystemExit at the first that fails."""
    install(plugin)
    set_executable(str(executable))
    for scene in scenes:
        accept_scene(executable, scene)
    accept_area(scenes[0])
    accept_errors(scenes[0], executable)
    accept_cancel(scenes[0])
    accept_server(scenes[0], executable)


if __name__ == "__main__":
    main()
