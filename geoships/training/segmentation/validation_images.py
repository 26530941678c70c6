"""Example images of the validation data, for TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geoships.scene.layers.labels import IGNORED, SHIP

IGNORED_GREY = 110
WHITE = (255, 255, 255)


def example_image(
    image: NDArray[np.float32],
    masks: NDArray[np.uint8],
    scores: NDArray[np.float32],
    colours: Sequence[tuple[int, int, int]] = (WHITE,),
) -> NDArray[np.uint8]:
    """Image, label and score side by side, (rows, 3 * columns, 3).

    image: (bands, rows, columns), normalised: -2 to 4 standard deviations are shown. masks: (classes, rows, columns);
    ships have the colour of their class, ignored pixels are grey. scores: the same shape, 0 to 1. colours: red, green
    and blue of each class, 0 to 255.
    """
    shown = image[[2, 1, 0]] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    picture = np.clip((shown.transpose(1, 2, 0) + 2) / 6, 0, 1) * 255
    label = _tinted((masks == SHIP).astype(np.float32), colours)
    label[(masks == IGNORED).all(axis=0)] = IGNORED_GREY
    return np.concatenate((picture, label, _tinted(scores, colours)), axis=1).astype(np.uint8)


def _tinted(planes: NDArray[np.float32], colours: Sequence[tuple[int, int, int]]) -> NDArray[np.float32]:
    """The sum of planes (classes, rows, columns) from 0 to 1, each in its colour: (rows, columns, 3), 0 to 255."""
    return np.tensordot(planes, np.asarray(colours, np.float32), axes=(0, 0)).clip(0, 255).astype(np.float32)
