"""Images of any size in one tensor, from which windows are sampled at any angle and scale in one gather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


@dataclass(frozen=True)
class PixelTable:
    """Images of one number of channels, pixel after pixel.

    Attributes:
        pixels: (pixels of all images, channels) float16, on any device; row by row, image after image.
        shapes: (images, 2) int64: rows and columns of each image.
        first: (images,) int64: where the image's pixels begin in `pixels`.
    """

    pixels: torch.Tensor
    shapes: NDArray[np.int64]
    first: NDArray[np.int64]

    def to(self, device: torch.device) -> PixelTable:
        """The same table on another device."""
        return PixelTable(self.pixels.to(device), self.shapes, self.first)

    def sample(
        self, images: Sequence[int], transforms: NDArray[np.float64], shape: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sample windows with bilinear weights; beyond an image's edge it is mirrored.

        Args:
            images: The image of each window.
            transforms: (windows, 2, 3): the centre of the window's pixel (i, j), counted from the window's centre,
                lies at row ``a i + b j + c`` and column ``d i + e j + f`` of the image, for [[a, b, c], [d, e, f]].
            shape: Rows and columns of each window.

        Returns:
            Values, (windows, channels, rows, columns) float32, and whether a pixel lies inside the image,
            (windows, rows, columns) bool.
        """
        chosen = np.asarray(images, np.int64)
        device = self.pixels.device
        heights, widths, first = (
            torch.from_numpy(part)[:, None, None].to(device)
            for part in (self.shapes[chosen, 0], self.shapes[chosen, 1], self.first[chosen])
        )
        rows, columns = _positions(torch.from_numpy(transforms).float().to(device), shape)
        inside = (rows > -0.5) & (rows < heights - 0.5) & (columns > -0.5) & (columns < widths - 0.5)
        top, down = _split(_mirror(rows, heights), heights)
        left, right = _split(_mirror(columns, widths), widths)
        corner = first + top * widths + left
        below = (top + 1 < heights) * widths
        beside = (left + 1 < widths).long()
        taps = torch.stack((corner, corner + beside, corner + below, corner + below + beside), -1)
        weights = torch.stack(((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right), -1)
        # A bag of four weighted rows of the table is what bilinear interpolation is, and one kernel on each device.
        values = functional.embedding_bag(
            taps.reshape(-1, 4),
            self.pixels,
            per_sample_weights=weights.reshape(-1, 4).to(self.pixels.dtype),
            mode="sum",
        )
        return values.view(len(chosen), *shape, -1).permute(0, 3, 1, 2).float().contiguous(), inside


def new_table(shapes: Sequence[tuple[int, int]], pixels: torch.Tensor) -> PixelTable:
    """A table of images of these shapes; `pixels` holds them, or is to be filled."""
    sizes = np.array(shapes, np.int64).reshape(-1, 2)
    ends = np.cumsum(sizes.prod(axis=1))
    return PixelTable(pixels, sizes, np.concatenate(([0], ends[:-1])).astype(np.int64)[: len(sizes)])


def rotation(centre: tuple[float, float], angle: float, zoom: float, mirrored: bool) -> NDArray[np.float64]:
    """The transform of a window, (2, 3), as `PixelTable.sample` takes it.

    Args:
        centre: Row and column of the image that lie in the window's centre, in pixels; the first pixel's centre is 0.
        angle: Rotation in radians.
        zoom: Window pixels per image pixel.
        mirrored: Whether the window's columns are mirrored.
    """
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    flip = -1 if mirrored else 1
    return np.array([[cosine, flip * sine, centre[0]], [-sine, flip * cosine, centre[1]]])


def _positions(transforms: torch.Tensor, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the image under each window pixel, (windows, rows, columns) each."""
    i, j = (torch.arange(side, device=transforms.device) - (side - 1) / 2 for side in shape)
    parts = transforms[:, :, :, None, None]
    rows = parts[:, 0, 0] * i[:, None] + parts[:, 0, 1] * j + parts[:, 0, 2]
    return rows, parts[:, 1, 0] * i[:, None] + parts[:, 1, 1] * j + parts[:, 1, 2]


def _mirror(positions: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Positions mirrored at the outer edges of the first and last pixel."""
    folded = torch.remainder(positions + 0.5, 2 * lengths)
    return torch.minimum(folded, 2 * lengths - folded) - 0.5


def _split(positions: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pixel before each position, int64, and how far the position is from it to the next, 0 to 1."""
    positions = positions.clamp(min=0).minimum(lengths - 1.0)
    before = positions.floor()
    return before.long(), positions - before
