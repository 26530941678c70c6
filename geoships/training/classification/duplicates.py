"""Near-duplicates: chips that show the same ground at the same moment, perhaps shifted; and the groups they form.

Two chips of one picture share its finest texture: noise, waves, the planks of a deck. What they show says less: two
bright ships on dark water correlate at 0.97, though nothing else is the same. So chips are compared after their coarse
shapes and their contrast are taken away, all parts of a chip counting alike. The rule: the central part of one chip
(half of each side), brought to its fine texture, is moved over the whole of the other; where the normalised
cross-correlation reaches a threshold anywhere, the two are near-duplicates. Shifts of up to a quarter of a chip's side
along each axis are found.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Images = Sequence[NDArray[np.float32]]

COARSE = 2.0  # standard deviation, in pixels, of the blur that leaves coarse shapes
AROUND = 3.0  # and of the window in which contrast is levelled
FLAT = 1e-3  # texture's standard deviation below which there is none, of values from 0 to 1
LEAST = 1e-2  # standard deviation of levelled texture below which two chips are not compared


def similarities(images: Images) -> NDArray[np.float32]:
    """Greatest correlation (-1 to 1) of each pair of images over all shifts, (n, n); 0 on and below the diagonal.

    images: (bands, rows, columns), all of one size. The time grows with the square of their number.
    """
    fine = torch.from_numpy(np.stack([_fine(image) for image in images]))
    count, rows, columns = fine.shape
    top, left = rows // 4, columns // 4
    height, width = rows - 2 * top, columns - 2 * left
    norms = torch.from_numpy(np.stack([_local_norms(image.numpy(), height, width) for image in fine]))
    spectra = torch.fft.rfft2(fine)
    found = np.zeros((count, count), np.float32)
    for number in range(count - 1):
        part = fine[number, top : top + height, left : left + width]
        part = part - part.mean()
        if part.std() < LEAST:
            continue
        spectrum = torch.fft.rfft2(part, s=(rows, columns)).conj()
        products = torch.fft.irfft2(spectra[number + 1 :] * spectrum, s=(rows, columns))
        products = products[:, : rows - height + 1, : columns - width + 1]
        correlations = products / (norms[number + 1 :] * part.norm())
        found[number, number + 1 :] = correlations.amax(dim=(1, 2)).numpy()
    return found


def group_chips(images: Images, scenes: Sequence[str | None], similarity: float) -> NDArray[np.intp]:
    """Number of each chip's group: chips that near-duplicates or a common scene link, directly or through others.

    scenes: where each chip was cut out, None if nobody knows. similarity: correlation of near-duplicates.
    """
    first, second = np.nonzero(similarities(images) >= similarity)
    seen: dict[str, int] = {}
    links = [(seen.setdefault(scene, number), number) for number, scene in enumerate(scenes) if scene is not None]
    ends = np.array([*zip(first, second, strict=True), *links], np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(images), len(images)))
    _, groups = connected_components(graph, directed=False)
    return np.asarray(groups, np.intp)


def _fine(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The texture of an image: what a blur takes away, divided by its own strength around each pixel."""
    grey = np.ascontiguousarray(image.mean(axis=0), np.float32)
    texture = grey - cv2.GaussianBlur(grey, (0, 0), COARSE)
    strength = cv2.GaussianBlur(texture * texture, (0, 0), AROUND)
    return np.asarray(texture / np.sqrt(strength + FLAT**2), np.float32)


def _local_norms(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Euclidean norm, about the mean, of every window of that size; infinite where there is no texture at all."""
    sums, squares = cv2.integral2(image.astype(np.float64))
    total, energy = (
        table[height:, width:] - table[:-height, width:] - table[height:, :-width] + table[:-height, :-width]
        for table in (sums, squares)
    )
    spread = np.maximum(energy - total**2 / (height * width), 0)
    flat = spread < LEAST**2 * height * width
    return np.where(flat, np.inf, np.sqrt(spread)).astype(np.float32)
