"""Views of an image for test-time augmentation (TTA): rotations and mirror images."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class View:
    """An image rotated counter-clockwise by multiples of 90 degrees, after its columns are mirrored.

    It is made with as few copies as possible: axes are flipped in one call, and the transposition copies nothing.

    Attributes:
        quarters: Number of rotations by 90 degrees, 0 to 3.
        mirrored: Whether the columns are mirrored before the rotation.
    """

    quarters: int
    mirrored: bool

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """The view of images (..., rows, columns)."""
        images = images.flip(self._flipped_axes) if self._flipped_axes else images
        return images.mT if self.quarters % 2 else images

    def undo(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (..., rows, columns) of the view in the orientation of the original image."""
        scores = scores.mT if self.quarters % 2 else scores
        return scores.flip(self._flipped_axes) if self._flipped_axes else scores

    @property
    def _flipped_axes(self) -> tuple[int, ...]:
        """Axes to flip before the transposition."""
        axes: set[int] = (set(), {-1}, {-2, -1}, {-2})[self.quarters]
        return tuple(sorted(axes ^ {-1} if self.mirrored else axes))


# All orientations of an image. The first two are mirror images; the first four keep the image's shape.
VIEWS = tuple(View(quarters, mirrored) for quarters in (0, 2, 1, 3) for mirrored in (False, True))
