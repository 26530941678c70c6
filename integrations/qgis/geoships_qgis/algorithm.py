"""The algorithm "Detect ships"."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QIcon

from .area import write_area
from .command import MASK, SCORES, VECTOR, Request, printable, scene_name
from .environment import clean_environment
from .executable import ExecutableError
from .messages import Messages, Note, Progress, Warned
from .process import run
from .settings import executable, known_models
from .staging import Staging, StagingError
from .style import StyleBeside

AUTOMATIC = "automatic"
OUTPUTS = {"OUTPUT": VECTOR, "MASK": MASK, "SCORES": SCORES}  # option of geoships, by parameter

# One line a paragraph: QGIS shows a break where there is one.
HELP = "\n".join(
    [
        "<p>Finds the ships of a satellite scene of any size, as polygons with score, length, width, heading and area "
        "in true metres. Runs the <code>geoships</code> command, which is installed apart from QGIS: "
        "<code>uv tool install geoships</code> or <code>pipx install geoships</code>.</p>",
        "<p><b>Scene</b>: a raster from a file or a server that has the bands of the model. Which bands they are, and "
        "how to get reflectance, is read from its descriptions and tags.</p>",
        "<p><b>Model</b>: automatic takes the installed one that suits the scene's bands and pixel size.</p>",
        "<p><b>Threshold</b>: score from which on a pixel is ship, 0 to 1.</p>",
        "<p><b>Extent, polygons</b>: what lies outside is not searched, and ships are cut there.</p>",
        "<p><b>Mask</b>: 1 ship, 0 none, 255 no data. <b>Scores</b>: 0 to 1. Both on the scene's grid.</p>",
    ]
)


class DetectShips(QgsProcessingAlgorithm):
    """Runs `geoships predict` on a raster layer, and loads what it writes."""

    def __init__(self) -> None:
        super().__init__()
        self._styles: list[StyleBeside] = []  # QGIS does not keep them alive

    def createInstance(self) -> DetectShips:
        """Make a new one for a run."""
        return DetectShips()

    def name(self) -> str:
        """Second part of the id, geoships:detectships."""
        return "detectships"

    def displayName(self) -> str:
        """Name in the toolbox."""
        return "Detect ships"

    def shortDescription(self) -> str:
        """Say it in one line."""
        return "Finds the ships of a satellite scene, as polygons with score, length, width and heading."

    def shortHelpString(self) -> str:
        """Text beside the dialog."""
        return HELP

    def tags(self) -> list[str]:
        """Words by which the toolbox finds it."""
        return ["ship", "vessel", "boat", "detection", "segmentation", "sentinel-2", "deep learning", "maritime"]

    def icon(self) -> QIcon:
        """The provider's picture."""
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare inputs and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Scene"))
        self.addParameter(_model_parameter())
        self.addParameter(_number("THRESHOLD", "Threshold of the score (not set: the model's own)", 0.001, 0.999))
        self.addParameter(_number("MIN_AREA", "Minimum area of a ship, square metres (not set: 300)", 0))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", "Extent to search", optional=True))
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        self.addParameter(
            QgsProcessingParameterFeatureSource("AREA", "Polygons to search within", polygons, optional=True)
        )
        for parameter in _advanced_parameters():
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterVectorDestination("OUTPUT", "Ships", QgsProcessing.SourceType.TypeVectorPolygon)
        )
        for name, title in (("MASK", "Mask"), ("SCORES", "Scores")):
            self.addParameter(
                QgsProcessingParameterRasterDestination(name, title, optional=True, createByDefault=False)
            )
        self.addOutput(QgsProcessingOutputNumber("SHIPS", "Number of ships"))

    def canExecute(self) -> tuple[bool, str]:
        """Whether there is a geoships to run, and if not, what to do."""
        try:
            executable()
        except ExecutableError as error:
            return False, str(error)
        return True, ""

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        """Refuse what cannot be meant."""
        if parameters.get("EXTENT") and parameters.get("AREA"):
            return False, "Give an extent or a layer of polygons to search, not both."
        ok, reason = super().checkParameterValues(parameters, context)
        return bool(ok), str(reason)

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run geoships; outputs appear when it has succeeded."""
        outputs = self._outputs(parameters, context)
        with tempfile.TemporaryDirectory(prefix="geoships-") as folder:
            request = self._request(parameters, context, Path(folder))
            try:
                places = {OUTPUTS[name]: path for name, path in outputs.items()}
                ships = _detect(request, places, Path(folder), feedback)
            except (ExecutableError, StagingError, OSError, ValueError) as error:
                raise QgsProcessingException(str(error)) from error
        if ships is None:
            return {}
        for path in outputs.values():
            self._style_when_loaded(str(path), context)
        return {"SHIPS": ships, **{name: str(path) for name, path in outputs.items()}}

    def _outputs(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Path]:
        outputs = {}
        for name in OUTPUTS:
            place = self.parameterAsOutputLayer(parameters, name, context)
            if not place:
                continue
            path = Path(place)
            if place.startswith(("memory:", "ogr:", "postgres")) or not path.suffix:
                raise QgsProcessingException(f"{place} is no file: name one that ends with .gpkg, .geojson or .fgb")
            outputs[name] = path
        return outputs

    def _request(self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path) -> Request:
        scene = self._scene(parameters, context)
        bundle = self.parameterAsString(parameters, "BUNDLE", context)
        model = self.parameterAsString(parameters, "MODEL", context)
        return Request(
            scene=scene_name(scene.source()),
            model=_bundle_path(bundle) or ("" if model == AUTOMATIC else model),
            threshold=self._number(parameters, "THRESHOLD", context),
            min_area=self._number(parameters, "MIN_AREA", context),
            area=self._area(parameters, context, scene, folder / "area.gpkg"),
            bands=self.parameterAsString(parameters, "BANDS", context),
            trust_vrt=self.parameterAsBoolean(parameters, "TRUST_VRT", context),
            more=self.parameterAsString(parameters, "EXTRA", context),
        )

    def _scene(self, parameters: dict[str, Any], context: QgsProcessingContext) -> QgsRasterLayer:
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        if layer is None:
            raise QgsProcessingException(self.invalidRasterError(parameters, "INPUT"))
        if layer.providerType() != "gdal":
            raise QgsProcessingException(
                f"The layer {layer.name()} comes from {layer.providerType()}, not from a file: export it as a GeoTIFF"
            )
        return layer

    def _number(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> float | None:
        return None if parameters.get(name) is None else self.parameterAsDouble(parameters, name, context)

    def _area(
        self, parameters: dict[str, Any], context: QgsProcessingContext, scene: QgsRasterLayer, path: Path
    ) -> Path | None:
        if parameters.get("AREA"):
            source = self.parameterAsSource(parameters, "AREA", context)
            if source is None:
                raise QgsProcessingException(self.invalidSourceError(parameters, "AREA"))
            write_area(path, (feature.geometry() for feature in source.getFeatures()), source.sourceCrs())
            return path
        if parameters.get("EXTENT"):
            extent = self.parameterAsExtentGeometry(parameters, "EXTENT", context, scene.crs())
            write_area(path, [extent], scene.crs())
            return path
        return None

    def _style_when_loaded(self, path: str, context: QgsProcessingContext) -> None:
        if context.willLoadLayerOnCompletion(path):
            self._styles.append(StyleBeside())
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(self._styles[-1])


def _model_parameter() -> QgsProcessingParameterString:
    model = QgsProcessingParameterString("MODEL", "Model", AUTOMATIC)
    model.setMetadata({"widget_wrapper": {"value_hints": [AUTOMATIC, *known_models()]}})
    return model


def _number(name: str, title: str, least: float, most: float = 1e12) -> QgsProcessingParameterNumber:
    kind = QgsProcessingParameterNumber.Type.Double
    return QgsProcessingParameterNumber(name, title, kind, optional=True, minValue=least, maxValue=most)


def _advanced_parameters() -> list[QgsProcessingParameterDefinition]:
    return [
        QgsProcessingParameterFile(
            "BUNDLE",
            "Model bundle instead of an installed model (its zip, or the model.json in its folder)",
            optional=True,
            fileFilter="Model bundles (*.zip model.json)",
        ),
        QgsProcessingParameterString(
            "BANDS", "Bands in the model's order, e.g. 1,2,3,8,11 (empty: by description)", optional=True
        ),
        QgsProcessingParameterBoolean("TRUST_VRT", "Open a virtual raster whatever files it refers to", False),
        QgsProcessingParameterString(
            "EXTRA", "Further options of geoships predict, e.g. --sensor sentinel-2-l2a --views 4", optional=True
        ),
    ]


def _bundle_path(chosen: str) -> str:
    return str(Path(chosen).parent) if Path(chosen).name == "model.json" else chosen


def _detect(request: Request, outputs: dict[str, Path], temporary: Path, feedback: QgsProcessingFeedback) -> int | None:
    """Run geoships; the number of ships, or None where the user has cancelled.

    outputs: files to write, by option. temporary: folder for what geoships needs on the way.
    Raises QgsProcessingException with geoships's own error, ExecutableError, StagingError, OSError and ValueError.
    """
    program = str(executable())
    messages = Messages()
    staging = Staging(outputs, Path(request.scene))
    feedback.pushCommandInfo(printable([program, *request.arguments(outputs)]))

    def tell(line: str) -> None:
        message = messages.read(line)
        if isinstance(message, Progress):
            feedback.setProgress(message.percent)
        elif isinstance(message, Warned):
            feedback.pushWarning(message.text)
        elif isinstance(message, Note):
            feedback.pushInfo(message.text)

    with staging.open() as places:
        command = [program, *request.arguments(places)]
        environment = clean_environment(os.environ, temporary)
        ended = run(command, environment, on_line=tell, cancelled=feedback.isCanceled)
        if ended.cancelled:
            feedback.pushInfo("Cancelled: geoships was stopped, and nothing was written.")
            return None
        if ended.code:
            raise QgsProcessingException(messages.error(ended.code))
        ships = int(json.loads(ended.output)["ships"])
        staging.publish()
    feedback.pushInfo(f"{ships} ship{'' if ships == 1 else 's'}")
    return ships
