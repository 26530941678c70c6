"""How ships and AIS are matched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from geoships.errors import GeoshipsError

MAX_GAP = 60.0  # minutes
TIME_ERROR = 5.0  # seconds: Sentinel-2's bands, and its odd and even detectors, see a place up to 2.6 s apart
CLOCK_ERROR = 15.0  # seconds: clocks that are up to half a minute off


@dataclass(frozen=True)
class MatchSettings:
    """How ships and AIS are matched.

    Attributes:
        time: Acquisition time of all ships, such as ``2024-06-01T10:54:21Z``, in place of the column `datetime`.
        time_error: Seconds by which acquisition times may be off (standard deviation).
        clock_error: Seconds by which times in the feed may be off (standard deviation).
        max_gap: Minutes to the nearest message, beyond which a vessel is not looked for.
        min_length: Metres; vessels that are shorter are expected to be missed. None for three pixels.
        area: Polygons of the area that was seen; None for the hull of the ships.
        clouds: Polygons of clouds.
        columns: Names of a table's columns by what they hold: mmsi, time, lon, lat, sog, cog, heading, name, length,
            width, bow, stern, geometry. Only those that are not found by their usual names need to be given.
        time_format: How a table's times are written, as for strptime; None for ISO 8601, seconds or milliseconds since
            1970, and the Danish form.
    """

    time: str | None = None
    time_error: float = TIME_ERROR
    clock_error: float = CLOCK_ERROR
    max_gap: float = MAX_GAP
    min_length: float | None = None
    area: Path | None = None
    clouds: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            GeoshipsError: Says which.
        """
        for name in ("time_error", "clock_error", "max_gap", "min_length"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise GeoshipsError(f"{name} must be a number of at least 0, not {value}")
        if self.max_gap > 24 * 60:
            raise GeoshipsError("max_gap must be at most 1440 minutes: after a day a vessel may be anywhere")
