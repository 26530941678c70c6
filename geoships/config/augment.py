"""Settings of augmentation: each step by its name, with its own settings. Reflectance runs from 0 to 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A group of settings: frozen, and without names that are not its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Step(Part):
    """One step of augmentation; `p` is the share of crops that it changes."""

    p: Share = 1.0


class Range(Step):
    """A step whose strength is drawn from `low` to `high`."""

    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g})")
        return self


class Flip(Step):
    """Mirrors columns."""

    p: Share = 0.5


class Turn(Step):
    """Turns by 0, 90, 180 or 270 degrees."""


class Rotate(Step):
    """Rotates by any angle."""


class Scale(Range):
    """Cuts windows of `low` to `high` times the crop's size and resamples them to it: objects of other sizes."""

    low: Positive = 0.67
    high: Positive = 1.43


class PasteShips(Step):
    """Pastes ships of other scenes onto water, at any angle.

    Attributes:
        mean: Ships per crop on average (Poisson).
        zoom: Ships are enlarged or shrunk by up to this factor.
        level: Least share of the difference between both waters by which a ship's brightness is shifted; the share
            is drawn from `level` to 1.
    """

    p: Share = 0.5
    mean: Annotated[float, Field(gt=0, le=50)] = 1.5
    zoom: Annotated[float, Field(ge=1, le=4)] = 1.35
    level: Share = 0.6


class PastePiers(Step):
    """Pastes rectangles of the crop's land onto its water, as piers, which are background.

    Attributes:
        length: Shortest and longest side along the pier, in pixels.
        width: Shortest and longest side across it, in pixels.
    """

    p: Share = 0.1
    length: tuple[Count, Count] = (15, 60)
    width: tuple[Count, Count] = (3, 12)

    @model_validator(mode="after")
    def _in_order(self) -> PastePiers:
        for name, (low, high) in (("length", self.length), ("width", self.width)):
            if low > high:
                raise ValueError(f"{name} runs from {low} to {high}; the first is not to be larger")
        return self


class Gain(Range):
    """Multiplies all bands by a factor, and each band by its own factor within 1 - `band` to 1 + `band`."""

    p: Share = 0.8
    low: Positive = 0.7
    high: Positive = 1.4
    band: Share = 0.12


class Haze(Step):
    """Mixes in white, most of it in blue, by up to `most`."""

    p: Share = 0.35
    most: Share = 0.25


class Offset(Range):
    """Adds one value to all bands, as a wrong atmospheric correction does."""

    p: Share = 0.4
    low: Annotated[float, Field(ge=-1, le=1)] = -0.02
    high: Annotated[float, Field(ge=-1, le=1)] = 0.03


class Blur(Range):
    """Blurs with a Gaussian whose standard deviation is `low` to `high` pixels."""

    p: Share = 0.3
    low: Positive = 0.4
    high: Positive = 1.1


class Noise(Step):
    """Adds Gaussian noise whose standard deviation is up to `most`."""

    p: Share = 0.4
    most: Share = 0.01


class Gamma(Range):
    """Raises reflectance to a power."""

    low: Positive = 0.88
    high: Positive = 1.15


class BandDropout(Step):
    """Removes bands: the network sees their mean instead.

    Attributes:
        most: One to this many bands are removed at random.
        keep: Bands that are never removed at random.
        subsets: The bands of other sensors; such crops keep one subset and lose the other bands.
        subset_share: Share of these crops that keep a subset, where there are some; the others lose random bands.
    """

    p: Share = 0.15
    most: Count = 1
    keep: tuple[str, ...] = ()
    subsets: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = ()
    subset_share: Share = 0.5


class Augment(Part):
    """The steps of augmentation, in the order in which they run; None leaves a step out."""

    scale: Scale | None = Scale()
    rotate: Rotate | None = Rotate()
    flip: Flip | None = Flip()
    paste_piers: PastePiers | None = PastePiers()
    paste_ships: PasteShips | None = PasteShips()
    gain: Gain | None = Gain()
    haze: Haze | None = Haze()
    offset: Offset | None = Offset()
    blur: Blur | None = Blur()
    noise: Noise | None = Noise()
    gamma: Gamma | None = None
    band_dropout: BandDropout | None = BandDropout()
