"""What counts as fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geoships.errors import GeoshipsError
from geoships.output.same_outline import PLACE_METRES

MIN_PASSES = 3


@dataclass(frozen=True)
class FixedSettings:
    """What counts as fixed.

    Attributes:
        passes: Passes in which it was seen with the same outline, at least.
        distance: Metres between its centres in two passes, at most.
        share: Of the passes that saw the place, the share in which it was found, at least, 0 to 1.
    """

    passes: int = MIN_PASSES
    distance: float = PLACE_METRES
    share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            GeoshipsError: Says which.
        """
        if self.passes < 2:
            raise GeoshipsError(f"passes must be at least 2, not {self.passes}: once seen, anything stands still")
        if not (math.isfinite(self.distance) and 0 < self.distance <= 1000):
            raise GeoshipsError(f"distance must be over 0 and at most 1000 metres, not {self.distance}")
        if not 0 < self.share <= 1:
            raise GeoshipsError(f"share must be over 0 and at most 1, not {self.share}")
