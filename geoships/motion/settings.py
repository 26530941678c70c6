"""How motion is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from geoships.errors import GeoshipsError
from geoships.motion.delays import parse_delays

Aircraft = Literal["flag", "drop"]
REGISTRATION = 0.06  # pixels along each axis: two bands then agree within 0.3 pixels in 99.7 % of all cases


@dataclass(frozen=True)
class MotionSettings:
    """How motion is measured.

    Attributes:
        delays: Times of the bands, such as ``blue=0,nir=0.26,green=0.53,red=1.0`` in seconds, or ``sentinel-2`` for the
            published ones, whose order is not known. None: from the angles of the product, or the published ones where
            the scene is named after a Sentinel-2 product or tile.
        metadata: The granule's ``MTD_TL.xml``, where the scene is no product that holds it.
        aircraft: ``flag`` aircraft in the table, or ``drop`` them.
        registration: Pixels by which a band may lie off the others along each axis (standard deviation).
        bands: Numbers or names of blue, green, red and near infrared in the scene; ``-`` for one that it lacks.
            None: by name.
    """

    delays: str | None = None
    metadata: Path | None = None
    aircraft: Aircraft = "flag"
    registration: float = REGISTRATION
    bands: Sequence[int | str] | None = None

    def __post_init__(self) -> None:
        """Refuse settings that make no sense.

        Raises:
            GeoshipsError: Says which.
        """
        if self.delays is not None:
            parse_delays(self.delays)
        if self.aircraft not in ("flag", "drop"):
            raise GeoshipsError(f"aircraft must be flag or drop, not {self.aircraft}")
        if not (math.isfinite(self.registration) and self.registration >= 0):
            raise GeoshipsError(f"registration must be a number of at least 0, not {self.registration}")
        if self.delays is not None and self.metadata is not None:
            raise GeoshipsError("give the delays or the metadata from which they follow, not both")
