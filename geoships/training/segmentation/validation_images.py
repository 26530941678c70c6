"""Example images of the validation data, for TensorBoard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoships.scene.layers.labels import IGNORED, SHIP


def example_image(image: NDArray[np.float32], mask: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Image, label and score side by side, (rows, 3 * columns, 3).

    image: (bands, rows, columns), normalised: -2 to 4 standard deviations are shown. mask: ships are white, ignored
    pixels grey. score: 0 to 1.
    """
    shown = image[[2, 1, 0]] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    colours = np.clip((shown.transpose(1, 2, 0) + 2) / 6, 0, 1) * 255
    label = np.select([mask == SHIP, mask == IGNORED], [255, 110], 0)
    panels = (colours, *(np.repeat(plane[..., None], 3, axis=2) for plane in (label, score * 255)))
    return np.concatenate(panels, axis=1).astype(np.uint8)
