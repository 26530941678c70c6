"""Settings of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from geoships.config.augment import Augment, BandDropout, NotNegative, Part, Positive, Share
from geoships.config.yaml_file import parse_overrides, read_settings

Count = Annotated[int, Field(ge=1)]
LOSSES = ("bce", "dice", "focal", "jaccard", "lovasz", "tversky")
NOT_FOR_CHIPS = ("scale", "paste_land", "paste_ships")  # steps of augmentation that cut and mix whole scenes


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

    folder: holds chips.csv; its part `train` is trained on, and `validation` judges the training.
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


class Validation(Part):
    """The part of the data that is not trained on and judges the training while it runs.

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
    hold_out: groups that are left out altogether, to judge the model on afterwards.
    bands: STAC common names, in the network's order. optional: those that a scene may lack.
    gsd: pixel size in metres of the model; scenes outside `gsd_range` are resampled to it.
    rim: pixels on both sides of each outline that the loss leaves out. target: the class that is looked for.
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
    validation: Validation = Validation()

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


class Input(Part):
    """What happens to reflectance before the network: a function, then (value - mean) / std.

    mean, std: a value for each band; None: measured on the scenes that are trained on.
    """

    transform: Literal["none", "sqrt"] = "sqrt"
    mean: tuple[float, ...] | None = None
    std: tuple[Positive, ...] | None = None


class NetworkSettings(Part):
    """The network, by names of segmentation-models-pytorch and timm.

    encoder_weights: a file (.safetensors, or a state dict of torch), or ``package:NAME`` of an installed
    package that holds one. start: a bundle whose weights training goes on from, for all
    of its bands or some.
    """

    decoder: str = "unet"
    encoder: str = "timm-tf_efficientnet_lite0"
    options: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None
    start: Path | None = None


class Crops(Part):
    """The crops that are trained on.

    size: pixels of the network's input, a multiple of 32. count: crops in an epoch.
    around_ship: share of crops that hold a ship. hard: share of the others that lie around a false alarm
    (`hard_examples`, a vector file or a folder of them by scene, such as `geoships evaluate --ships` writes).
    evenly: 0 draws scenes by their number of ships, 1 all alike.
    """

    size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)] = 192
    count: Count = 1600
    around_ship: Share = 0.6
    hard: Share = 0.0
    hard_examples: Path | None = None
    evenly: Share = 0.5


class Optimiser(Part):
    """How weights move. rate: greatest learning rate."""

    name: Literal["adam", "adamw", "lion", "sgd"] = "adamw"
    rate: Positive = 1.5e-3
    weight_decay: NotNegative = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Schedule(Part):
    """How the learning rate moves over all steps.

    name: ``onecycle`` and ``cosine`` fall to nearly 0, ``poly`` falls with the power 0.9, ``constant`` stays.
    warmup: share of the steps in which it rises from nearly 0.
    """

    name: Literal["onecycle", "cosine", "poly", "constant"] = "onecycle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.08


class EarlyStopping(Part):
    """Stops when the validation figure has not become better for `patience` epochs."""

    patience: Count = 10
    min_delta: NotNegative = 0.0


def _several(value: object) -> object:
    """One name is a list of one."""
    return (value,) if isinstance(value, str) else value


Tracker = Literal["csv", "tensorboard", "mlflow", "wandb", "clearml"]


class Run(Part):
    """How the training runs.

    batch_size: crops in a step, on each device. accumulate: steps that are added up before weights move.
    clip: greatest norm of the gradient; 0: any. ema: decay of the averaged weights, which are the ones kept; 0: none.
    precision: ``auto`` takes bfloat16 where the machine computes in it. keep: which weights make the bundle.
    devices: number of GPUs, or ``auto``. workers: processes that make crops beside the training.
    tracker: who keeps the figures, one or several; ``csv`` always does. project: their name for all runs together.
    """

    epochs: Count = 12
    batch_size: Count = 8
    accumulate: Count = 1
    clip: NotNegative = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Count | Literal["auto"] = "auto"
    workers: Annotated[int, Field(ge=0)] = 0
    early_stopping: EarlyStopping | None = None
    keep: Literal["best", "last"] = "best"
    pictures: Annotated[int, Field(ge=0, le=64)] = 8
    tracker: Annotated[tuple[Tracker, ...], BeforeValidator(_several)] = ("csv", "tensorboard")
    project: Annotated[str, Field(min_length=1)] = "geoships"


class BundleSettings(Part):
    """What the card of the finished bundle says beside what follows from the other settings.

    halo: context in model pixels that a score needs; None: measured on the trained network.
    threshold: score from which on a pixel is ship; None: the best on the validation data, else 0.5.
    min_peak: score that one pixel of a ship has to reach. views: see PredictConfig.
    label_margin: pixels of `gsd` metres by which the labels are longer, and wider, than hulls; see
        docs/how-to/outputs.md.
    """

    description: str = ""
    licence: str = "proprietary"
    halo: Annotated[int, Field(ge=0)] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_peak: Annotated[float, Field(ge=0, lt=1)] = 0.0
    views: Literal[1, 2, 4, 8] = 1
    label_margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    training_data: tuple[dict[str, Any], ...] = ()


class TrainConfig(Part):
    """All of one training: scenes and labels in, a model bundle out."""

    task: Annotated[Literal["segmentation"], Field(exclude=True)] = "segmentation"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: Data
    input: Input = Input()
    network: NetworkSettings = NetworkSettings()
    crops: Crops = Crops()
    augment: Augment = Augment()
    loss: Annotated[
        dict[Literal["bce", "dice", "focal", "jaccard", "lovasz", "tversky"], Positive], Field(min_length=1)
    ] = Field(default={"bce": 1.0, "dice": 1.0})
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    run: Run = Run()
    bundle: BundleSettings = BundleSettings()

    @model_validator(mode="after")
    def _bands_fit(self) -> TrainConfig:
        check_bands(self.data.bands, self.input, self.augment.band_dropout)
        return self

    @model_validator(mode="after")
    def _fits_chips(self) -> TrainConfig:
        if not self.data.chips:
            return self
        if on := [name for name in NOT_FOR_CHIPS if getattr(self.augment, name)]:
            raise ValueError(f"augment.{', augment.'.join(on)}: chips cannot; set to null")
        if self.bundle.halo is None:
            raise ValueError("bundle.halo: chips are too small to measure it on; give model pixels, such as 64")
        return self


def check_bands(bands: tuple[str, ...], statistics: Input, dropout: BandDropout | None) -> None:
    """Raise ValueError where statistics are not one for each band, or other bands are to be dropped."""
    for name, values in (("mean", statistics.mean), ("std", statistics.std)):
        if values is not None and len(values) != len(bands):
            raise ValueError(f"input.{name} has {len(values)} values for {len(bands)} bands")
    named = {band for subset in dropout.subsets for band in subset} | set(dropout.keep) if dropout else set()
    if unknown := sorted(named - set(bands)):
        raise ValueError(f"augment.band_dropout names {', '.join(unknown)}, which are not among data.bands")


def train_config(file: Path, settings: tuple[str, ...] = ()) -> TrainConfig:
    """Settings of a YAML file, with texts like ``optimiser.rate=3e-4`` on top.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    return read_settings(TrainConfig, file, parse_overrides(settings), example="configs/sentinel2-5band.yaml")
