"""What a network says of one tile, before it is blended with its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.model.engines.base import Scores
from geoships.scene.tiling.windows import Window


@dataclass(frozen=True)
class ScoredTile:
    """A tile of a scene with its scores.

    Attributes:
        window: of the tile; it may extend beyond the edges of the scene.
        scores: of each class, (rows, columns) in pixels of the scene, 0 to 1.
        valid: whether a pixel has data, (rows, columns).
        weights: in the blend with its neighbours, (rows, columns).

    """

    window: Window
    scores: tuple[Scores, ...]
    valid: NDArray[np.bool_]
    weights: NDArray[np.float32]
