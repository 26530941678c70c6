"""Views of an image for test-time augmentation (TTA): rotations and mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Images = TypeVar("Images", bound=Any)  # a NumPy array or a tensor


@dataclass(frozen=True)
class View:
    """An image rotated counter-clockwise by multiples of 90 degrees, after its columns are mirrored.

    It is made with as few copies as possible: axes are flipped in one call, and the transposition copies nothing. It
    takes NumPy arrays and tensors.

    Attributes:
        quarters: Number of rotations by 90 degrees, 0 to 3.
        mirrored: Whether the columns are mirrored before the rotation.
    """

    quarters: int
    mirrored: bool

    def apply(self, images: Images) -> Images:
        """The view of images (..., rows, columns)."""
        return self._transposed(self._flipped(images))

    def undo(self, scores: Images) -> Images:
        """Scores (..., rows, columns) of the view in the orientation of the original image."""
        return self._flipped(self._transposed(scores))

    def _transposed(self, images: Images) -> Images:
        turned: Images = images.swapaxes(-1, -2) if self.quarters % 2 else images
        return turned

    def _flipped(self, images: Images) -> Images:
        axes = self._flipped_axes
        if not axes:
            return images
        flipped: Images = np.flip(images, axes) if isinstance(images, np.ndarray) else images.flip(axes)
        return flipped

    @property
    def _flipped_axes(self) -> tuple[int, ...]:
        """Axes to flip before the transposition."""
        axes: set[int] = (set(), {-1}, {-2, -1}, {-2})[self.quarters]
        return tuple(sorted(axes ^ {-1} if self.mirrored else axes))


# All orientations of an image. The first two are mirror images; the first four keep the image's shape.
VIEWS = tuple(View(quarters, mirrored) for quarters in (0, 2, 1, 3) for mirrored in (False, True))
