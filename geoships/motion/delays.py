"""When each band saw a place: from a product's viewing angles, from published delays, or as the user says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from geoships.errors import GeoshipsError

# Seconds after blue in which a detector of Sentinel-2 sees a place, or before it: ESA's technical guide of the MSI.
PUBLISHED = {"blue": 0.0, "nir": 0.264, "green": 0.527, "red": 1.005}
SENTINEL_2 = "sentinel-2"
BANDS = tuple(PUBLISHED)
LEAST_SPAN = 0.2  # seconds between the first and the last band, below which no ship moves enough to be seen


@dataclass(frozen=True)
class Delays:
    """When the bands saw a place.

    Attributes:
        seconds: By band (common name), relative to any moment.
        signed: Whether it is known which band came first; otherwise all signs may have to be turned.
        source: Where they come from, for people.
    """

    seconds: Mapping[str, float]
    signed: bool
    source: str

    @property
    def span(self) -> float:
        """Seconds between the first and the last band."""
        return max(self.seconds.values()) - min(self.seconds.values()) if self.seconds else 0.0


def published_delays() -> Delays:
    """Sentinel-2's delays where the detector is not known: their order is reversed on every other detector."""
    return Delays(PUBLISHED, signed=False, source="published delays of Sentinel-2; their order is not known")


def parse_delays(text: str) -> Delays:
    """Read delays as a user writes them.

    Args:
        text: ``sentinel-2``, or seconds by band such as ``blue=0,nir=0.26,green=0.53,red=1.0``.

    Raises:
        GeoshipsError: The text has another form, or names fewer than two bands.

    >>> parse_delays("blue=0,red=1").seconds
    {'blue': 0.0, 'red': 1.0}
    """
    if text.strip().lower() == SENTINEL_2:
        return published_delays()
    found: dict[str, float] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not sign or name.strip() not in BANDS or not math.isfinite(seconds):
            raise GeoshipsError(
                f"cannot use the delays {text!r}: write {SENTINEL_2}, or seconds of two or more of "
                f"{', '.join(BANDS)}, such as blue=0,nir=0.26,green=0.53,red=1.0"
            )
        found[name.strip()] = seconds
    delays = Delays(found, signed=True, source="as given")
    if len(found) < 2 or delays.span == 0:
        raise GeoshipsError(f"cannot use the delays {text!r}: at least two bands must have different times")
    return delays
