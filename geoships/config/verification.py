"""Settings of training a verifier: a classifier of the chips around detected ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from geoships.config.augment import (
    BandDropout,
    Blur,
    Count,
    Flip,
    Gain,
    Gamma,
    Haze,
    Noise,
    NotNegative,
    Offset,
    Part,
    Scale,
    Share,
    Turn,
)
from geoships.config.classification import ChipLoss, ClassifierSettings
from geoships.config.segmentation import Data
from geoships.config.training import BundleSettings, EpochRun, Input, Optimiser, Schedule, check_bands
from geoships.config.yaml_file import parse_overrides, read_settings

EXAMPLE = "configs/verifier-5band.yaml"


class VerifierFiles(Data):
    """The labelled scenes, as in `Data`, and the detections of a model in them.

    Attributes:
        candidates: Folder of vector files, named after their scenes, with detected ships, true and false positives;
            preferably of a model that was not trained on the scene; from `root` on. None: labels and random positions
            only.
        rim: Has no effect here.
    """

    candidates: Path | None = None


class VerifierChips(Part):
    """The training chips.

    Attributes:
        size: Pixels per side, of data.gsd metres.
        count: Number of chips in an epoch.
        ships: Share of the chips with a ship.
        random: Share of the other chips at random positions, equally on water, on land and near quays; the rest are
            false positives among the candidates.
        away: Minimum distance in pixels of random positions from labelled ships.
        shift: Maximum random shift of a chip in pixels.
        evenly: How scenes are sampled: 0: in proportion to their number of ships or false positives, 1: all with the
            same probability.
    """

    size: Annotated[int, Field(ge=16, le=512)] = 64
    count: Count = 2000
    ships: Annotated[float, Field(gt=0, lt=1)] = 0.5
    random: Share = 0.3
    away: NotNegative = 12.0
    shift: NotNegative = 3.0
    evenly: Share = 0.5


class VerifierAugment(Part):
    """The steps of augmentation, in the order in which they run; None turns a step off."""

    scale: Scale | None = Scale(low=0.8, high=1.25)
    gain: Gain | None = Gain(p=1)
    haze: Haze | None = Haze(p=0.3, most=0.06)
    offset: Offset | None = Offset(p=1, low=-0.012, high=0.012)
    blur: Blur | None = Blur(p=0.15, high=0.9)
    noise: Noise | None = Noise(p=0.3)
    gamma: Gamma | None = Gamma()
    band_dropout: BandDropout | None = BandDropout()
    turn: Turn | None = Turn()
    flip: Flip | None = Flip()


class VerifierConfig(Part):
    """Settings of one training of a verifier."""

    task: Literal["verification"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: VerifierFiles
    input: Input = Input()
    network: ClassifierSettings = ClassifierSettings()
    chips: VerifierChips = VerifierChips()
    augment: VerifierAugment = VerifierAugment()
    loss: ChipLoss = ChipLoss()
    optimiser: Optimiser = Optimiser(rate=1.5e-3)
    schedule: Schedule = Schedule(name="onecycle", warmup=0.08)
    run: EpochRun = EpochRun()
    bundle: BundleSettings = BundleSettings()

    @model_validator(mode="after")
    def _bands_fit(self) -> VerifierConfig:
        check_bands(self.data.bands, self.input, self.augment.band_dropout)
        return self


def verifier_config(file: Path, settings: tuple[str, ...] = ()) -> VerifierConfig:
    """Read the settings of a training.

    Args:
        file: YAML file.
        settings: Overrides like ``optimiser.rate=3e-4``.

    Raises:
        GeoshipsError: A setting is wrong; the message names each one and its valid values.
    """
    return read_settings(VerifierConfig, file, parse_overrides(settings), example=EXAMPLE)
