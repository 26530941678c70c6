"""Settings of training a classifier of chips: small pictures that hold one ship in their middle, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from geoships.config.augment import Blur, Flip, Gain, Gamma, Noise, NotNegative, Part, Positive, Range, Step, Turn
from geoships.config.segmentation import BundleSettings, Count, Input, Optimiser, Run, Schedule
from geoships.config.yaml_file import parse_overrides, read_settings

EXAMPLE = "configs/chips-rgb3m.yaml"


class HeldFold(Part):
    """One fold of a cross-validation, which is neither trained on nor validates: fold 1 to `folds`."""

    folds: Annotated[int, Field(ge=2)] = 5
    fold: Count


class ChipFiles(Part):
    """The labelled chips.

    root: holds a folder `ship` and a folder `no-ship`. labels: or a CSV file with the columns file and label
    (1, ship, 0 or no-ship); files are found from its folder or from `root`.
    size: pixels along a side that chips are brought to. gsd: metres that such a pixel stands for.
    gsd_range: pixel sizes for which the model is meant.
    similarity: correlation from which on two chips are near-duplicates, and stay on one side of every split.
    validation: share of the chips that judges the training while it runs. hold_out: a fold to leave out.
    split_seed: which split.
    """

    root: Path = Path()
    labels: Path | None = None
    size: Annotated[int, Field(ge=32, le=512)] = 80
    gsd: Positive = 3.0
    gsd_range: tuple[Positive, Positive] = (2.0, 4.5)
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.55
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    hold_out: HeldFold | None = None
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


class Shift(Step):
    """Moves by up to `most` pixels along rows and columns; the rim is mirrored."""

    most: Annotated[int, Field(ge=0, le=32)] = 4


class Zoom(Range):
    """Enlarges by `low` to `high` about the middle; the rim is mirrored."""

    low: Positive = 0.9
    high: Positive = 1.15


class Contrast(Range):
    """Multiplies the distance of every value from its band's mean."""

    low: Positive = 0.8
    high: Positive = 1.25


class ChipAugment(Part):
    """The steps of augmentation, in the order in which they run; None leaves a step out."""

    turn: Turn | None = Turn()
    flip: Flip | None = Flip()
    zoom: Zoom | None = Zoom()
    shift: Shift | None = Shift()
    gain: Gain | None = Gain(low=0.8, high=1.25, band=0.1)
    contrast: Contrast | None = Contrast()
    gamma: Gamma | None = Gamma()
    blur: Blur | None = Blur(p=0.15)
    noise: Noise | None = Noise(p=0.3, most=0.02)


class ChipInput(Input):
    """What happens to values from 0 to 1 before the network, as in Input."""

    transform: Literal["none", "sqrt"] = "none"


class ClassifierSettings(Part):
    """The network: any classifier of timm.

    options: further arguments of timm.create_model. encoder_weights: weights of all but the last layer, in a file
    or in ``package:NAME``. start: a bundle whose weights training goes on from.
    """

    encoder: str = "tf_efficientnet_lite0"
    options: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None
    start: Path | None = None


class ChipLoss(Part):
    """The loss.

    smoothing: labels are smoothing / 2 and 1 - smoothing / 2. ship_weight: how much a ship counts beside another
    chip. gamma: focal only: how much less an easy chip counts.
    """

    name: Literal["bce", "focal"] = "bce"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ship_weight: Positive = 1.0
    gamma: NotNegative = 2.0


class ChipConfig(Part):
    """All of one training of a classifier: chips in, a model bundle out."""

    task: Literal["classification"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: ChipFiles = ChipFiles()
    input: ChipInput = ChipInput()
    network: ClassifierSettings = ClassifierSettings()
    augment: ChipAugment = ChipAugment()
    loss: ChipLoss = ChipLoss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    run: Run = Run()
    bundle: BundleSettings = BundleSettings()


def chip_config(file: Path, settings: tuple[str, ...] = ()) -> ChipConfig:
    """Settings of a YAML file, with texts like ``optimiser.rate=3e-4`` on top.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    return read_settings(ChipConfig, file, parse_overrides(settings), example=EXAMPLE)
