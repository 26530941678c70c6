"""The model card: `model.json` of a bundle, in terms of the STAC Machine Learning Model extension."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geoships.errors import BundleError

Transform = Literal["none", "sqrt"]
Positive = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, protected_namespaces=())


class ValueScaling(_Part):
    """Scaling of one band: (value - mean) / stddev, after the pre-processing function."""

    type: Literal["z-score"] = "z-score"
    mean: float
    stddev: Positive


class InputShape(_Part):
    """Shape of a batch; -1 stands for any size."""

    shape: tuple[int, int, int, int]
    dim_order: tuple[str, str, str, str] = ("batch", "bands", "height", "width")
    data_type: str = "float32"


class PreProcessing(_Part):
    """What happens to reflectance before it is scaled: a name, never code."""

    format: Literal["geoships-transform"] = "geoships-transform"
    expression: Transform = "none"


class ModelInput(_Part):
    """What the network eats: surface reflectance (0 to 1) of named bands."""

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
                f"{self.input.shape[1]} bands do not fit together"
            )
        return self

    @property
    def neutral(self) -> tuple[float, ...]:
        """For each band, the reflectance that becomes 0 before the network: what stands for an absent band."""
        root = self.pre_processing_function.expression == "sqrt"
        return tuple(band.mean**2 if root else band.mean for band in self.value_scaling)


class ModelClass(_Part):
    """One class that the network tells apart."""

    value: int
    name: str
    description: str = ""
    color_hint: str | None = None


class ModelOutput(_Part):
    """What the network gives: a score per class and pixel."""

    name: str = "ship score"
    tasks: tuple[str, ...] = ("semantic-segmentation",)
    classes: Annotated[tuple[ModelClass, ...], Field(alias="classification:classes", min_length=1)]


class Network(_Part):
    """What rebuilds the network: names of segmentation-models-pytorch and constructor options."""

    decoder: str
    encoder: str
    options: dict[str, Any] = Field(default_factory=dict)


class ScreenCard(_Part):
    """How a bundle's screen tells tiles that cannot hold a ship.

    depth: stages of the encoder that it uses. threshold: score from which on a tile is computed. recall: share of the
    ship pixels of held-out scenes that lie in such tiles. skipped: share of their tiles without ships that are not.
    """

    depth: Annotated[int, Field(ge=1, le=5)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    recall: Annotated[float, Field(ge=0, le=1)] | None = None
    skipped: Annotated[float, Field(ge=0, le=1)] | None = None


class Card(_Part):
    """All that is known of a model.

    gsd: ground sample distance in metres that scenes are brought to when theirs is outside `gsd_range`.
    threshold: score from which on a pixel is ship. min_peak: score that one pixel of a ship has to reach.
    views: scores are the mean over so many ways to turn and mirror a tile.
    temperature: logits are divided by it before they become scores (Guo et al. 2017, On Calibration of Modern
        Neural Networks); 1: scores as the network was trained to give them.
    halo: context in model pixels that a score needs from each side of a tile.
    step: model pixels that the network's deepest level turns into one; tiles are multiples of it.
    optional: bands that a scene may lack; the network then gets `ModelInput.neutral` in their place.
    label_margin: pixels of `gsd` metres by which the labels that it learnt from are longer, and wider, than hulls.
    label_value: which pixels of label masks it learnt to find; None: all that are labelled.
    screen: of the bundle's screen, which tells tiles without ships; None: it has none.
    verify: whether the bundle's verifier looks at every found ship where the user says nothing.
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
    screen: Annotated[ScreenCard | None, Field(alias="geoships:screen")] = None
    network: Annotated[Network, Field(alias="geoships:network")]
    training_data: Annotated[tuple[dict[str, Any], ...], Field(alias="geoships:training_data")] = ()
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
        """Whether the network scores whole chips, not pixels."""
        return "classification" in self.tasks

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """The classes that the network tells apart."""
        return self.outputs[0].classes

    def to_json(self) -> str:
        """The text of `model.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def parse_card(text: str | bytes, where: str) -> Card:
    """Read and validate the text of a `model.json`; BundleError names each wrong field."""
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise BundleError(f"the model card {where} is not valid: {faults}") from error
