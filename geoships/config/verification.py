"""Settings of training a verifier: a classifier of the chips around found ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from geoships.config.augment import (
    BandDropout,
    Blur,
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
from geoships.config.segmentation import BundleSettings, Count, Data, Input, Optimiser, Run, Schedule, check_bands
from geoships.config.yaml_file import parse_overrides, read_settings

EXAMPLE = "configs/verifier-5band.yaml"


class VerifierFiles(Data):
    """The labelled scenes, as in Data, and what a model has found in them.

    candidates: folder of vector files, named after their scenes, of found ships, right and wrong; best of a model that
    was not trained on the scene. None: labels and random places alone.
    rim: of no use here.
    """

    candidates: Path | None = None


class VerifierChips(Part):
    """The chips that are trained on.

    size: pixels along a side, of data.gsd. count: chips in an epoch. ships: share of them that show one.
    random: share of the others that lie at random, on water, on land and near quays alike; the rest are wrong
    candidates.
    away: pixels that random places keep from labelled ships. shift: pixels by which chips are moved at most.
    evenly: 0 draws scenes by their number of ships or wrong candidates, 1 all alike.
    """

    size: Annotated[int, Field(ge=16, le=512)] = 64
    count: Count = 2000
    ships: Annotated[float, Field(gt=0, lt=1)] = 0.5
    random: Share = 0.3
    away: NotNegative = 12.0
    shift: NotNegative = 3.0
    evenly: Share = 0.5


class VerifierAugment(Part):
    """The steps of augmentation, in the order in which they run; None leaves a step out."""

    scale: Scale | None = Scale(low=0.8, high=1.25)
    gain: Gain | None = Gain()
    haze: Haze | None = Haze()
    offset: Offset | None = Offset()
    blur: Blur | None = Blur()
    noise: Noise | None = Noise()
    gamma: Gamma | None = Gamma()
    band_dropout: BandDropout | None = BandDropout()
    turn: Turn | None = Turn()
    flip: Flip | None = Flip()


class VerifierConfig(Part):
    """All of one training of a verifier: scenes, labels and candidates in, a classifier's bundle out."""

    task: Literal["verification"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: VerifierFiles
    input: Input = Input()
    network: ClassifierSettings = ClassifierSettings()
    chips: VerifierChips = VerifierChips()
    augment: VerifierAugment = VerifierAugment()
    loss: ChipLoss = ChipLoss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    run: Run = Run()
    bundle: BundleSettings = BundleSettings()

    @model_validator(mode="after")
    def _bands_fit(self) -> VerifierConfig:
        check_bands(self.data.bands, self.input, self.augment.band_dropout)
        return self


def verifier_config(file: Path, settings: tuple[str, ...] = ()) -> VerifierConfig:
    """Settings of a YAML file, with texts like ``optimiser.rate=3e-4`` on top.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    return read_settings(VerifierConfig, file, parse_overrides(settings), example=EXAMPLE)
