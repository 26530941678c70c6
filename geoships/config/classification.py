"""Settings of training a classifier of chips: small images with one ship in the centre, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from geoships.config.augment import (
    Blur,
    Count,
    Flip,
    Gain,
    Gamma,
    Noise,
    NotNegative,
    Part,
    Positive,
    Range,
    Step,
    Turn,
)
from geoships.config.training import BundleSettings, EpochRun, Input, Optimiser, Schedule
from geoships.config.yaml_file import parse_overrides, read_settings

EXAMPLE = "configs/chips-rgb3m.yaml"


class HeldFold(Part):
    """One fold of a cross-validation, used neither for training nor for validation.

    Attributes:
        folds: Number of folds.
        fold: The fold to leave out, from 1 to `folds`.
    """

    folds: Annotated[int, Field(ge=2)] = 5
    fold: Count


class ChipFiles(Part):
    """The labelled chips.

    Attributes:
        root: Folder with the folders `ship` and `no-ship`.
        labels: CSV file with the columns file and label (1, ship, 0 or no-ship), instead of the two folders; paths are
            relative to its folder or to `root`.
        size: Pixels per side to which chips are resampled.
        gsd: Size of such a pixel in metres.
        gsd_range: Smallest and largest pixel size in metres for which the model is meant.
        similarity: Minimum correlation of near-duplicates, which are kept on one side of every split.
        validation: Share of the chips in the validation set.
        hold_out: Fold to leave out.
        split_seed: Random seed of the split.
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
    """Shifts by up to `most` pixels along rows and columns; the border is mirrored."""

    most: Annotated[int, Field(ge=0, le=32)] = 4


class Zoom(Range):
    """Scales by a factor from `low` to `high` about the centre; the border is mirrored."""

    low: Positive = 0.9
    high: Positive = 1.15


class Contrast(Range):
    """Multiplies the difference of every value from its band's mean by a factor from `low` to `high`."""

    low: Positive = 0.8
    high: Positive = 1.25


class ChipAugment(Part):
    """The steps of augmentation, in the order in which they run; None turns a step off."""

    turn: Turn | None = Turn()
    flip: Flip | None = Flip()
    zoom: Zoom | None = Zoom()
    shift: Shift | None = Shift()
    gain: Gain | None = Gain(p=1, low=0.8, high=1.25, band=0.1)
    contrast: Contrast | None = Contrast()
    gamma: Gamma | None = Gamma()
    blur: Blur | None = Blur(p=0.15, high=0.9)
    noise: Noise | None = Noise(p=0.3, most=0.02)


class ChipInput(Input):
    """Normalisation of values from 0 to 1 before the network, see `Input`."""

    transform: Literal["none", "sqrt"] = "none"


class ClassifierSettings(Part):
    """The network: any classifier of timm.

    Attributes:
        encoder: Name of the network in timm.
        options: Further arguments of timm.create_model.
        encoder_weights: Pretrained weights of all layers but the last, in a file or as ``package:NAME``.
        start: Bundle whose weights are the start of the training.
    """

    encoder: str = "tf_efficientnet_lite0"
    options: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None
    start: Path | None = None


class ChipLoss(Part):
    """The loss.

    Attributes:
        name: ``bce`` (binary cross-entropy) or ``focal`` (focal loss).
        smoothing: Label smoothing: labels are smoothing / 2 and 1 - smoothing / 2.
        ship_weight: Weight of a chip with a ship relative to one without.
        gamma: Focusing parameter of the focal loss: the greater, the less an easy chip counts.
    """

    name: Literal["bce", "focal"] = "bce"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ship_weight: Positive = 1.0
    gamma: NotNegative = 2.0


class ChipConfig(Part):
    """Settings of one training of a classifier of chips."""

    task: Literal["classification"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: ChipFiles = ChipFiles()
    input: ChipInput = ChipInput()
    network: ClassifierSettings = ClassifierSettings()
    augment: ChipAugment = ChipAugment()
    loss: ChipLoss = ChipLoss()
    optimiser: Optimiser = Optimiser(rate=1.5e-3)
    schedule: Schedule = Schedule(name="onecycle", warmup=0.08)
    run: EpochRun = EpochRun()
    bundle: BundleSettings = BundleSettings()


def chip_config(file: Path, settings: tuple[str, ...] = ()) -> ChipConfig:
    """Read the settings of a training.

    Args:
        file: YAML file.
        settings: Overrides like ``optimiser.rate=3e-4``.

    Raises:
        GeoshipsError: A setting is wrong; the message names each one and its valid values.
    """
    return read_settings(ChipConfig, file, parse_overrides(settings), example=EXAMPLE)
