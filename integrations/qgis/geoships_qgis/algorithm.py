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
from .style import DefaultStyle

AUTOMATIC = "automatic"
OUTPUTS = {"OUTPUT": VECTOR, "MASK": MASK, "SCORES": SCORES}  # option of geoships by parameter

# One line per paragraph: QGIS shows line breaks.
HELP = "\n".join(
    [
        "<p>Detects ships in a satellite scene of any size, as polygons with score, length, width, heading and area in "
        "ground metres. Runs the <code>geoships</code> command, which is installed separately from QGIS: "
        "<code>uv tool install geoships</code> or <code>pipx install geoships</code>.</p>",
        "<p><b>Scene</b>: a raster file or URL that has the bands of the model. The bands, and the scale and offset to "
        "reflectance, are read from its band descriptions and tags.</p>",
        "<p><b>Model</b>: automatic selects the installed model that fits the scene's bands and pixel size.</p>",
        "<p><b>Threshold</b>: minimum score of a ship pixel, 0 to 1.</p>",
        "<p><b>Extent, polygons</b>: only this area is searched; ships are clipped to it.</p>",
        "<p><b>Mask</b>: 1 ship, 0 background, 255 nodata. <b>Scores</b>: 0 to 1. Both are on the scene's grid.</p>",
    ]
)


class DetectShips(QgsProcessingAlgorithm):
    """Runs `geoships predict` on a raster layer and loads its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self._styles: list[DefaultStyle] = []  # QGIS keeps no reference to them

    def createInstance(self) -> DetectShips:
        """Create a new instance for a run."""
        return DetectShips()

    def name(self) -> str:
        """Return the second part of the id, geoships:detectships."""
        return "detectships"

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return "Detect ships"

    def shortDescription(self) -> str:
        """Return a description in one line."""
        return "Detects ships in a satellite scene, as polygons with score, length, width and heading."

    def shortHelpString(self) -> str:
        """Return the help text beside the dialog."""
        return HELP

    def tags(self) -> list[str]:
        """Return search words for the toolbox."""
        return ["ship", "vessel", "boat", "detection", "segmentation", "sentinel-2", "deep learning", "maritime"]

    def icon(self) -> QIcon:
        """Return the provider's icon."""
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare inputs and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Scene"))
        self.addParameter(_model_parameter())
        self.addParameter(_number("THRESHOLD", "Minimum score of a ship pixel (not set: by model)", 0.001, 0.999))
        self.addParameter(_number("MIN_AREA", "Minimum area of a ship in square metres (not set: 300)", 0))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", "Extent to search", optional=True))
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        self.addParameter(
            QgsProcessingParameterFeatureSource("AREA", "Polygons to search within", polygons, optional=True)
        )
        for parameter in self._advanced_parameters():
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
        """Return whether geoships was found, and if not, how to install it."""
        try:
            executable()
        except ExecutableError as error:
            return False, str(error)
        return True, ""

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        """Refuse an extent together with polygons."""
        if parameters.get("EXTENT") and parameters.get("AREA"):
            return False, "Set an extent or a polygon layer to search, not both."
        ok, reason = super().checkParameterValues(parameters, context)
        return bool(ok), str(reason)

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run geoships; outputs are written when it has succeeded."""
        outputs = self._outputs(parameters, context)
        with tempfile.TemporaryDirectory(prefix="geoships-") as folder:
            request = self._request(parameters, context, Path(folder))
            try:
                files = {OUTPUTS[name]: path for name, path in outputs.items()}
                environment = {**clean_environment(os.environ, Path(folder)), **self._more_environment()}
                ships = _detect(request, files, environment, feedback)
            except (ExecutableError, StagingError, OSError, ValueError) as error:
                raise QgsProcessingException(str(error)) from error
        if ships is None:
            return {}
        for path in outputs.values():
            self._style_when_loaded(str(path), context)
        return {"SHIPS": ships, **{name: str(path) for name, path in outputs.items()}}

    def _advanced_parameters(self) -> list[QgsProcessingParameterDefinition]:
        return [_bundle_parameter(), bands_parameter(), _vrt_parameter(), extra_parameter("geoships predict")]

    def _more_environment(self) -> dict[str, str]:
        """Variables of the process of geoships beside those of QGIS's."""
        return {}

    def _outputs(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Path]:
        outputs = {}
        for name in OUTPUTS:
            destination = self.parameterAsOutputLayer(parameters, name, context)
            if not destination:
                continue
            path = Path(destination)
            if destination.startswith(("memory:", "ogr:", "postgres")) or not path.suffix:
                raise QgsProcessingException(f"{destination}: expected a file that ends with .gpkg, .geojson or .fgb")
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
            extra=self.parameterAsString(parameters, "EXTRA", context),
        )

    def _scene(self, parameters: dict[str, Any], context: QgsProcessingContext) -> QgsRasterLayer:
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        if layer is None:
            raise QgsProcessingException(self.invalidRasterError(parameters, "INPUT"))
        if layer.providerType() != "gdal":
            raise QgsProcessingException(
                f"Layer {layer.name()}: expected a raster file, got {layer.providerType()}; export it as a GeoTIFF"
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
            self._styles.append(DefaultStyle())
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(self._styles[-1])


def _model_parameter() -> QgsProcessingParameterString:
    model = QgsProcessingParameterString("MODEL", "Model", AUTOMATIC)
    model.setMetadata({"widget_wrapper": {"value_hints": [AUTOMATIC, *known_models()]}})
    return model


def _number(name: str, title: str, minimum: float, maximum: float = 1e12) -> QgsProcessingParameterNumber:
    double = QgsProcessingParameterNumber.Type.Double
    return QgsProcessingParameterNumber(name, title, double, optional=True, minValue=minimum, maxValue=maximum)


def _bundle_parameter() -> QgsProcessingParameterDefinition:
    title = "Model bundle instead of an installed model (a zip file, or model.json in a folder)"
    return QgsProcessingParameterFile("BUNDLE", title, optional=True, fileFilter="Model bundles (*.zip model.json)")


def bands_parameter() -> QgsProcessingParameterDefinition:
    """Bands of the scene in the order of the model."""
    title = "Bands in the model's order, e.g. 1,2,3,8,11 (empty: by band description)"
    return QgsProcessingParameterString("BANDS", title, optional=True)


def _vrt_parameter() -> QgsProcessingParameterDefinition:
    title = "Open a virtual raster (VRT) with references to any files"
    return QgsProcessingParameterBoolean("TRUST_VRT", title, False)


def extra_parameter(command: str) -> QgsProcessingParameterDefinition:
    """Further options of a command."""
    title = f"Further options of {command}, e.g. --sensor sentinel-2-l2a --views 4"
    return QgsProcessingParameterString("EXTRA", title, optional=True)


def _bundle_path(file: str) -> str:
    return str(Path(file).parent) if Path(file).name == "model.json" else file


def _detect(
    request: Request, outputs: dict[str, Path], environment: dict[str, str], feedback: QgsProcessingFeedback
) -> int | None:
    """Run geoships.

    Args:
        request: What to run.
        outputs: Files to write, by option of geoships.
        environment: Variables of the process of geoships.
        feedback: Receives progress, messages and the command line.

    Returns:
        The number of ships; None if the user has cancelled.

    Raises:
        QgsProcessingException: geoships failed; the text is its error.
        ExecutableError: geoships was not found.
        StagingError: An output cannot be written.
        OSError: geoships cannot be started.
        ValueError: The further options are not valid.
    """
    program = str(executable())
    messages = Messages()
    staging = Staging(outputs, Path(request.scene))
    feedback.pushCommandInfo(printable([program, *request.arguments(outputs)]))

    def show(line: str) -> None:
        message = messages.read(line)
        if isinstance(message, Progress):
            feedback.setProgress(message.percent)
        elif isinstance(message, Warned):
            feedback.pushWarning(message.text)
        elif isinstance(message, Note):
            feedback.pushInfo(message.text)

    with staging.open() as staged:
        command = [program, *request.arguments(staged)]
        result = run(command, environment, on_line=show, cancelled=feedback.isCanceled)
        if result.cancelled:
            feedback.pushInfo("Cancelled: geoships was stopped and wrote nothing.")
            return None
        if result.code:
            raise QgsProcessingException(messages.error(result.code))
        ships = int(json.loads(result.output)["ships"])
        staging.publish()
    feedback.pushInfo(f"{ships} ship{'' if ships == 1 else 's'}")
    return ships
