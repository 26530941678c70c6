"""The model card: `model.json` of a bundle, in terms of the STAC Machine Learning Model extension."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geoships.errors import BundleError

Transform = Literal["none", "sqrt"]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
Sensitivity = Literal["high", "balanced", "precise"]
Activation = Literal["sigmoid", "softmax"]
Box = tuple[float, float, float, float]
NOT_STATED = "not stated"  # licence of a model whose makers have not given one


class _CardSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, protected_namespaces=())


class ValueScaling(_CardSection):
    """Scaling of one band: (value - mean) / stddev, after the pre-processing function."""

    type: Literal["z-score"] = "z-score"
    mean: float
    stddev: Positive


class InputShape(_CardSection):
    """Shape of a batch; -1 stands for any size."""

    shape: tuple[int, int, int, int]
    dim_order: tuple[str, str, str, str] = ("batch", "bands", "height", "width")
    data_type: str = "float32"


class PreProcessing(_CardSection):
    """Function applied to reflectance before it is scaled: a name, never code."""

    format: Literal["geoships-transform"] = "geoships-transform"
    expression: Transform = "none"


class ModelInput(_CardSection):
    """Input of the network: surface reflectance (0 to 1) of named bands."""

    name: str = "surface reflectance"
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    input: InputShape
    value_scaling: tuple[ValueScaling, ...]
    pre_processing_function: PreProcessing = PreProcessing()

    @model_validator(mode="after")
    def _one_scaling_per_band(self) -> ModelInput:
        if not len(self.bands) == len(self.value_scaling) == self.input.shape[1]:
            raise ValueError(
                f"{len(self.bands)} bands, {len(self.value_scaling)} value scalings and an input of "
                f"{self.input.shape[1]} bands; expected the same number of each"
            )
        return self

    @property
    def neutral(self) -> tuple[float, ...]:
        """For each band, the reflectance that is normalised to 0, which replaces a missing band."""
        root = self.pre_processing_function.expression == "sqrt"
        return tuple(band.mean**2 if root else band.mean for band in self.value_scaling)


class ModelClass(_CardSection):
    """One class of the network's output."""

    value: int
    name: str
    description: str = ""
    color_hint: str | None = None


class ModelOutput(_CardSection):
    """Output of the network: a score per class and pixel, or per class and chip."""

    name: str = "ship score"
    tasks: tuple[str, ...] = ("semantic-segmentation",)
    classes: Annotated[tuple[ModelClass, ...], Field(alias="classification:classes", min_length=1)]


class Network(_CardSection):
    """The network's architecture: names in segmentation-models-pytorch or timm, and constructor options."""

    decoder: str
    encoder: str
    options: dict[str, Any] = Field(default_factory=dict)


class ScreenCard(_CardSection):
    """The screen of a bundle, which finds tiles without ships.

    Attributes:
        depth: Number of encoder stages that the screen uses.
        threshold: Minimum score of a tile that is computed; others are skipped.
        recall: Share of the ship pixels of held-out scenes that lie in computed tiles.
        skipped: Share of the held-out scenes' tiles without ships that are skipped.
    """

    depth: Annotated[int, Field(ge=1, le=5)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    recall: Annotated[float, Field(ge=0, le=1)] | None = None
    skipped: Annotated[float, Field(ge=0, le=1)] | None = None


class OperatingPoint(_CardSection):
    """Settings of a prediction that were chosen on labelled scenes, and what they gave there.

    Attributes:
        threshold: Minimum score of a ship pixel.
        min_peak: Minimum peak score of a ship.
        precision: Share of the predicted ships that match a label; None where no ship was predicted.
        recall: Share of the labelled ships that were found.
        min_iou: Minimum IoU of a match.
        ships: Number of labelled ships that it was measured on.
        measured_on: Names of the scenes that it was measured on.
        seen: Those of them that the model was trained on; there the figures are too good.
    """

    threshold: Annotated[float, Field(gt=0, lt=1)]
    min_peak: Annotated[float, Field(ge=0, lt=1)]
    precision: Fraction | None = None
    recall: Fraction | None = None
    min_iou: Fraction | None = None
    ships: Annotated[int, Field(ge=0)] | None = None
    measured_on: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class Card(_CardSection):
    """The model card.

    Attributes:
        name: Name of the model.
        description: What the model finds, for people.
        licence: Licence of the weights, as an SPDX identifier; NOT_STATED: its makers have given none.
        framework: Always ``pytorch``.
        architecture: Name of the architecture, for people.
        tasks: ``semantic-segmentation``, or ``classification`` for a classifier of chips.
        total_parameters: Number of the network's parameters.
        inputs: The network's one input.
        outputs: The network's one output.
        gsd: Ground sample distance in metres to which scenes outside `gsd_range` are resampled.
        gsd_range: Smallest and largest pixel size in metres at which a scene is not resampled.
        threshold: Minimum score of a ship pixel, or of a chip with a ship.
        min_peak: Minimum peak score of a ship: one of its pixels has to reach it.
        views: Number of views of a tile (rotations and mirror images) whose mean is the score (test-time augmentation).
        temperature: Logits are divided by it before the sigmoid (Guo et al. 2017, On Calibration of Modern Neural
            Networks); 1: scores as trained.
        halo: Context in model pixels that a score needs on each side of a tile.
        step: Total stride of the network in model pixels; tile sizes are multiples of it.
        optional: Bands that a scene may lack; `ModelInput.neutral` replaces them.
        verify: Whether the bundle's verifier scores every ship by default.
        label_margin: How much longer, and wider, the model's outlines are than the hulls, in pixels of `gsd` metres: as
            much as its training labels, unless a cross-validation has shown another value.
        label_value: Pixel value of the label masks that the model was trained to find; None: any label.
        activation: ``sigmoid`` scores each class by itself, ``softmax`` the classes and the background together.
        label_field: Of a model of several classes: the column of vector labels that tells the class.
        class_thresholds: Of a model of several classes: minimum score of a pixel of a class, by its name; `threshold`
            is that of the others.
        screen: The bundle's screen, which finds tiles without ships; None: it has none.
        network: The network's architecture.
        training_data: The data sets that the model was trained on, with their licences.
        trained_on: Names of the scenes, or of the groups of scenes, that the model was trained on.
        trained_places: The places of georeferenced scenes that the model was trained on, by the name of the scene, or
            of the scene that chips were cut from: west, south, east and north in degrees (WGS 84); west is greater than
            east across the antimeridian.
        operating_points: Settings for each sensitivity: `high` has the best F2, `balanced` the best F1 and `precise`
            the best F0.5 of the scenes that they were measured on.
        metrics: Results of evaluations.
    """

    name: Annotated[str, Field(alias="mlm:name")]
    description: str = ""
    licence: Annotated[str, Field(alias="license")]
    framework: Annotated[Literal["pytorch"], Field(alias="mlm:framework")] = "pytorch"
    architecture: Annotated[str, Field(alias="mlm:architecture")]
    tasks: Annotated[tuple[str, ...], Field(alias="mlm:tasks")] = ("semantic-segmentation",)
    total_parameters: Annotated[int, Field(alias="mlm:total_parameters", gt=0)]
    inputs: Annotated[tuple[ModelInput], Field(alias="mlm:input")]
    outputs: Annotated[tuple[ModelOutput], Field(alias="mlm:output")]
    gsd: Positive
    gsd_range: Annotated[tuple[Positive, Positive], Field(alias="geoships:gsd_range")]
    threshold: Annotated[float, Field(alias="geoships:threshold", gt=0, lt=1)] = 0.5
    min_peak: Annotated[float, Field(alias="geoships:min_peak", ge=0, lt=1)] = 0.0
    views: Annotated[Literal[1, 2, 4, 8], Field(alias="geoships:views")] = 1
    temperature: Annotated[float, Field(alias="geoships:temperature", gt=0, allow_inf_nan=False)] = 1.0
    halo: Annotated[int, Field(alias="geoships:halo", ge=0)]
    step: Annotated[int, Field(alias="geoships:step", ge=1)] = 32
    optional: Annotated[tuple[str, ...], Field(alias="geoships:optional_bands")] = ()
    verify: Annotated[bool, Field(alias="geoships:verify")] = False
    label_margin: Annotated[float, Field(alias="geoships:label_margin", ge=0, allow_inf_nan=False)] = 0.0
    label_value: Annotated[int | None, Field(alias="geoships:label_value")] = None
    activation: Annotated[Activation, Field(alias="geoships:activation")] = "sigmoid"
    label_field: Annotated[str, Field(alias="geoships:label_field")] = "class"
    class_thresholds: Annotated[dict[str, Threshold], Field(alias="geoships:class_thresholds", default_factory=dict)]
    screen: Annotated[ScreenCard | None, Field(alias="geoships:screen")] = None
    network: Annotated[Network, Field(alias="geoships:network")]
    training_data: Annotated[tuple[dict[str, Any], ...], Field(alias="geoships:training_data")] = ()
    trained_on: Annotated[tuple[str, ...], Field(alias="geoships:trained_on")] = ()
    trained_places: Annotated[dict[str, Box], Field(alias="geoships:trained_places", default_factory=dict)]
    operating_points: Annotated[
        dict[Sensitivity, OperatingPoint], Field(alias="geoships:operating_points", default_factory=dict)
    ]
    metrics: Annotated[tuple[dict[str, Any], ...], Field(alias="geoships:metrics")] = ()

    @property
    def input(self) -> ModelInput:
        """The network's one input."""
        return self.inputs[0]

    @property
    def bands(self) -> tuple[str, ...]:
        """STAC common names of the bands, in the network's order."""
        return self.input.bands

    @property
    def is_classifier(self) -> bool:
        """Whether the network scores whole chips instead of pixels."""
        return "classification" in self.tasks

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """The classes of the network's output."""
        return self.outputs[0].classes

    @property
    def several(self) -> bool:
        """Whether the network scores the pixels of several classes."""
        return len(self.classes) > 1 and not self.is_classifier

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Minimum score of a pixel of each class."""
        return tuple(self.class_thresholds.get(found.name, self.threshold) for found in self.classes)

    @model_validator(mode="after")
    def _classes_fit(self) -> Card:
        if not self.several:
            return self
        names, values = [[getattr(found, key) for found in self.classes] for key in ("name", "value")]
        if len(set(names)) < len(names) or len(set(values)) < len(values):
            raise ValueError("two classes share a name or a value")
        if not all(1 <= value <= 254 for value in values):
            raise ValueError("the values of classes are from 1 to 254: 0 is the background, and 255 no data")
        if unknown := sorted(set(self.class_thresholds) - set(names)):
            raise ValueError(f"class thresholds of {', '.join(unknown)}, which is no class of the model")
        return self

    def operating_point(self, sensitivity: Sensitivity) -> OperatingPoint:
        """The settings for a sensitivity.

        Raises:
            BundleError: The bundle has no such settings.
        """
        if point := self.operating_points.get(sensitivity):
            return point
        raise BundleError(
            f"{self.name} has no operating point for the sensitivity {sensitivity}: give a threshold and a minimum "
            "peak score instead, or store the points in the bundle by geoships evaluate --store-operating-points"
        )

    def to_json(self) -> str:
        """The text of `model.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def parse_card(text: str | bytes, where: str) -> Card:
    """Parse and validate a model card.

    Args:
        text: JSON text of the card.
        where: Its path, for error messages.

    Raises:
        BundleError: The card is not valid; the message names each wrong field.
    """
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise BundleError(f"{where}: the model card is not valid: {details}") from error
