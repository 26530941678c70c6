"""Settings of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from geoships.config.augment import Augment, NotNegative, Part, Positive, Share
from geoships.config.training import BundleSettings, CropRun, Input, Optimiser, Schedule, check_bands
from geoships.config.yaml_file import parse_overrides, read_settings
from geoships.output.classes import PALETTE

LossName = Literal["bce", "crop_dice", "dice", "focal", "jaccard", "lovasz", "tversky"]


FORMER_COUNT, FORMER_EPOCHS = 1600, 12  # defaults of version 0.1


class SceneFiles(Part):
    """One labelled scene.

    scene: a raster. labels: its ships, in a vector file of any CRS or as a mask on its grid.
    ignore: a vector file of what says nothing for or against ships.
    group: scenes of one group are never on both sides of a split; None: the scene's name.
    bands, scale, offset, sensor: how to read the scene, as for `geoships predict`.
    """

    scene: str
    labels: Path
    ignore: Path | None = None
    group: str | None = None
    bands: tuple[int | str, ...] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None


class ChipFolder(Part):
    """Chips to train on in place of scenes, as `geoships data split` writes them.

    folder: holds chips.csv; its part `train` is for training, and `validation` for validation.
    bands, scale, offset, sensor: how to read the chips, as for `geoships predict`.
    """

    folder: Path
    bands: tuple[int | str, ...] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None


class Target(Part):
    """The class that is looked for: its name and colour reach the card of the model, and with it every output.

    name: in the singular. colour: of masks, such as ``#ff6000``. description: for people.
    value: which pixels of a mask, and with the name which rows of a vector file with a column `class`, are labels of
    it; None: all that are labelled.
    """

    name: Annotated[str, Field(pattern=r"^[^\W_]([\w -]*\w)?$", max_length=40)] = "ship"
    value: Annotated[int, Field(ge=1, le=254)] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#ff6000"
    description: str = ""


class ClassTarget(Target):
    """One of several classes that one network looks for.

    value: pixel value of the class in masks, those of labels and those that are predicted; None: its number in the
    list, from 1. colour: None: one of a palette, by its number. The rest is as for `Target`.
    """

    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None  # type: ignore[assignment]


class Validation(Part):
    """The validation data, which are not trained on.

    groups: whole groups. share: without groups, that share of each scene's blocks; 0: no validation.
    block: pixels along a block's side. margin: pixels around these blocks that are not trained on either.
    """

    groups: tuple[str, ...] = ()
    share: Annotated[float, Field(ge=0, lt=1)] = 0.2
    block: Annotated[int, Field(ge=32)] = 256
    margin: Annotated[int, Field(ge=0)] = 32


class Data(Part):
    """The labelled scenes, or chips of them.

    root: folder that the other paths start from. scenes: scenes, or patterns such as ``images/*.tif`` whose
    labels and ignore layers are found by name in the folders `labels` and `ignore`.
    chips: in place of scenes; they are split already, so that `hold_out` and `validation` say nothing about them.
    hold_out: groups that are left out altogether, to evaluate the model on afterwards.
    bands: STAC common names, in the network's order. optional: those that a scene may lack.
    gsd: pixel size in metres of the model; scenes outside `gsd_range` are resampled to it.
    rim: pixels on both sides of each outline that the loss leaves out. target: the class that is looked for.
    classes: in its place, two or more classes of one network; pixels of none of them are background.
    class_field: column of vector labels that holds the name of the class, or its value; masks hold the values.
    activation: with ``softmax`` a pixel belongs to one class at most (of labels that overlap, to the last in the list);
    with ``sigmoid`` each class is found by itself, so that classes may overlap.
    """

    root: Path = Path()
    scenes: tuple[SceneFiles | str, ...] = ()
    chips: ChipFolder | None = None
    labels: Path | None = None
    ignore: Path | None = None
    hold_out: tuple[str, ...] = ()
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    optional: tuple[str, ...] = ()
    gsd: Positive = 10.0
    gsd_range: tuple[Positive, Positive] = (5.0, 15.0)
    rim: Annotated[int, Field(ge=0, le=8)] = 0
    target: Target = Target()
    classes: tuple[ClassTarget, ...] = ()
    class_field: Annotated[str, Field(min_length=1)] = "class"
    activation: Literal["softmax", "sigmoid"] = "softmax"
    validation: Validation = Validation()

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is looked for: the classes, or the one target."""
        return self.classes or (self.target,)

    @property
    def exclusive(self) -> bool:
        """Whether a pixel belongs to one of several classes at most."""
        return bool(self.classes) and self.activation == "softmax"

    @field_validator("classes")
    @classmethod
    def _complete_classes(cls, given: tuple[ClassTarget, ...]) -> tuple[ClassTarget, ...]:
        if len(given) == 1:
            raise ValueError("expected two classes or more; give a single one as `target`")
        completed = tuple(
            entry.model_copy(
                update={"value": entry.value or number, "colour": entry.colour or PALETTE[(number - 1) % len(PALETTE)]}
            )
            for number, entry in enumerate(given, 1)
        )
        for what, several in (("name", [c.name for c in completed]), ("value", [str(c.value) for c in completed])):
            if twice := sorted({entry for entry in several if several.count(entry) > 1}):
                raise ValueError(f"two classes have the {what} {', '.join(twice)}; give each its own")
        return completed

    @model_validator(mode="after")
    def _one_way_to_name_classes(self) -> Data:
        if self.classes and "target" in self.model_fields_set and self.target != Target():
            raise ValueError("give either `target`, for one class, or `classes`")
        return self

    @model_validator(mode="after")
    def _scenes_or_chips(self) -> Data:
        if bool(self.scenes) == bool(self.chips):
            raise ValueError("give either `scenes` or `chips`")
        return self

    @model_validator(mode="after")
    def _labels_for_patterns(self) -> Data:
        if self.labels is None and any(isinstance(entry, str) for entry in self.scenes):
            raise ValueError("scenes given by patterns need the folder of their `labels`")
        if unknown := set(self.optional) - set(self.bands):
            raise ValueError(f"optional bands {', '.join(sorted(unknown))} are not among the bands")
        return self


class NetworkSettings(Part):
    """The network, by names of segmentation-models-pytorch and timm.

    Attributes:
        decoder: Name of the decoder.
        encoder: Name of the encoder.
        options: Further keyword arguments of the decoder's constructor.
        encoder_weights: Weights that the encoder starts from: a file (.safetensors, or a state dict of torch), or
            ``package:NAME`` of an installed package that holds one.
    """

    decoder: str = "unet"
    encoder: str = "timm-tf_efficientnet_lite0"
    options: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None


class Start(Part):
    """Where the training starts from.

    Attributes:
        bundle: A bundle of the same network, whose weights are loaded for all of its bands or some; None: none.
    """

    bundle: Path | None = None


class Crops(Part):
    """The crops that the network is trained on, cut from the scenes at random places.

    Attributes:
        size: Pixels along a side, a multiple of 32.
        around_ship: Share of the crops around a ship.
        shift: Largest distance of that ship from the crop's centre along rows and columns, as a share of `size`.
        hard: Share of the other crops that lie around a false alarm of `hard_examples`.
        hard_examples: False alarms: a vector file, or a folder of them by scene, as `geoships evaluate --ships`
            writes it; from `data.root` on.
        by_ships: Crops around ships are shared among scenes by their number of ships to this power.
        by_area: The other crops are shared among scenes by their area to this power.
        memory: GiB of memory that the resampled scenes may take; larger ones are read from a temporary file.
    """

    size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)] = 192
    around_ship: Share = 0.6
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.36
    hard: Share = 0.0
    hard_examples: Path | None = None
    by_ships: Share = 0.7
    by_area: Share = 0.5
    memory: NotNegative = 8.0


class PixelWeights(Part):
    """How much a pixel counts in the loss ``bce``, where the others count 1.

    Attributes:
        ship: Weight of ship pixels.
        gap: Weight of water pixels between two ships that are close to each other.
        reach: Pixels from each of the two ships within which a pixel lies between them.
    """

    ship: Positive = 2.0
    gap: Annotated[float, Field(ge=1, le=100)] = 5.0
    reach: Annotated[int, Field(ge=1, le=32)] = 3


class TrainConfig(Part):
    """All settings of a training of a segmentation network.

    Attributes:
        task: Kind of training.
        name: Name of the model.
        seed: Seed of all random numbers; crop number n is a function of `seed` and n alone.
        loss: Weights of the losses that are summed, by name.
        pixels: Weights of pixels in the loss ``bce``.
    """

    task: Annotated[Literal["segmentation"], Field(exclude=True)] = "segmentation"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: Data
    input: Input = Input()
    network: NetworkSettings = NetworkSettings()
    start: Start = Start()
    crops: Crops = Crops()
    augment: Augment = Augment()
    loss: Annotated[dict[LossName, Positive], Field(min_length=1)] = Field(
        default={"bce": 4.0, "dice": 1.0, "crop_dice": 0.5}
    )
    pixels: PixelWeights = PixelWeights()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    run: CropRun = CropRun()
    bundle: BundleSettings = BundleSettings()

    @model_validator(mode="before")
    @classmethod
    def _former_settings(cls, given: Any) -> Any:
        return translate_former_settings(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _bands_fit(self) -> TrainConfig:
        check_bands(self.data.bands, self.input, self.augment.band_dropout)
        return self

    @model_validator(mode="after")
    def _halo_for_chips(self) -> TrainConfig:
        if self.data.chips and self.bundle.halo is None:
            raise ValueError("bundle.halo: chips are too small to measure it on; give model pixels, such as 64")
        return self


def translate_former_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Settings under the names of version 0.1 as today's, so that files of users go on working.

    Epochs of so many crops (`run.epochs`, `crops.count`) are a budget in crops, `network.start` is `start.bundle`, and
    `crops.evenly` had to do with both shares of scenes, whose defaults hold.

    >>> translate_former_settings({"crops": {"count": 8}, "run": {"epochs": 3}})
    {'crops': {}, 'run': {'crops': 24}}
    """
    crops, run, network = (
        dict(section) if isinstance(section := given.get(name, {}), dict) else None
        for name in ("crops", "run", "network")
    )
    if crops is None or run is None or network is None:
        return given  # not settings: the check of the types says so
    count, epochs, start = crops.pop("count", None), run.pop("epochs", None), network.pop("start", None)
    crops.pop("evenly", None)
    if not (count is None and epochs is None):
        run.setdefault("crops", _whole(count, FORMER_COUNT) * _whole(epochs, FORMER_EPOCHS))
    changed = {"crops": crops, "run": run, "network": network}
    more = {} if start is None else {"start": {"bundle": start, **given.get("start", {})}}
    return {**given, **{name: section for name, section in changed.items() if section or name in given}, **more}


def _whole(value: object, default: int) -> int:
    """A number of crops or epochs as it was given; 0, which is refused, for anything else."""
    if value is None:
        return default
    return value if isinstance(value, int) else 0


def train_config(file: Path, settings: tuple[str, ...] = ()) -> TrainConfig:
    """Settings of a YAML file, with texts like ``optimiser.rate=3e-4`` on top.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    return read_settings(TrainConfig, file, parse_overrides(settings), example="configs/sentinel2-5band.yaml")
