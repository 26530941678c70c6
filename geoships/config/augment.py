"""Settings of augmentation: each step by its name, with its own settings. Reflectance runs from 0 to 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


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


class Scale(Range):
    """Cuts crops of `low` to `high` times the usual size and brings them to it: pixels of other sizes."""

    low: Positive = 0.65
    high: Positive = 1.5


class PasteShips(Step):
    """Puts one to `most` ships of another group's scene onto water; a share `moored` as near to land as they fit.

    zoom: ships are drawn up to this many times larger or smaller.
    """

    p: Share = 0.5
    most: Annotated[int, Field(ge=1, le=50)] = 3
    moored: Share = 0.5
    zoom: Annotated[float, Field(ge=1, le=4)] = 1.25


class PasteLand(Step):
    """Puts one to `most` piers (a share `strips`) and islands of another scene's land onto the water: no ships."""

    p: Share = 0.35
    most: Annotated[int, Field(ge=1, le=50)] = 4
    strips: Share = 0.75


class Gain(Range):
    """Multiplies all bands by a factor, and each band by one of its own within 1 - `band` to 1 + `band`."""

    low: Positive = 0.7
    high: Positive = 1.4
    band: Share = 0.12


class Haze(Step):
    """Brightens and flattens, blue the most, by up to `most`."""

    p: Share = 0.3
    most: Share = 0.06


class Offset(Step):
    """Adds -`most` to `most` to all bands."""

    most: Share = 0.012


class Blur(Range):
    """Blurs with a Gaussian whose standard deviation is `low` to `high` pixels."""

    p: Share = 0.15
    low: Positive = 0.4
    high: Positive = 0.9


class Noise(Step):
    """Adds Gaussian noise whose standard deviation is up to `most`."""

    p: Share = 0.3
    most: Share = 0.01


class Gamma(Range):
    """Raises reflectance to a power."""

    low: Positive = 0.88
    high: Positive = 1.15


class BandDropout(Step):
    """Takes bands away: the network sees their mean instead.

    most: one to so many are taken at random, but none of `keep`.
    subsets: the bands of other sensors; where there are some, half of these crops keep one subset and lose the rest.
    """

    p: Share = 0.15
    most: Annotated[int, Field(ge=1)] = 1
    keep: tuple[str, ...] = ()
    subsets: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = ()


class Augment(Part):
    """The steps of augmentation, in the order in which they run; None leaves a step out."""

    scale: Scale | None = Scale()
    paste_land: PasteLand | None = PasteLand()
    paste_ships: PasteShips | None = PasteShips()
    gain: Gain | None = Gain()
    haze: Haze | None = Haze()
    offset: Offset | None = Offset()
    blur: Blur | None = Blur()
    noise: Noise | None = Noise()
    gamma: Gamma | None = Gamma()
    band_dropout: BandDropout | None = BandDropout()
    turn: Turn | None = Turn()
    flip: Flip | None = Flip()
