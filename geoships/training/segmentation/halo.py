"""How much context the scores of a trained network need."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

STEP = 16  # pixels between the halos that are tried
GREATEST = 256
TOLERANCE = 0.01  # score
SHARE = 0.01  # of the pixels of ships, whose scores may differ by more
FEWEST = 100  # pixels of ships; where there are fewer, those with the highest scores count as ships


@torch.inference_mode()
def measure_halo(network: nn.Module, images: Iterable[NDArray[np.float32]], cut: int, threshold: float = 0.5) -> int:
    """Pixels from a tile's edge beyond which scores at ships are those of the whole image.

    Of the pixels of ships, at most 1 in 100 may differ by more than 0.01: their scores decide what is found and
    where its outline runs. Scores of water and land may differ more as long as no pixel becomes one of a ship.

    Args:
        network: Maps normalised images to logits.
        images: (bands, rows, columns), normalised; rows and columns are multiples of the network's step and larger than
            2 * (cut + 256).
        cut: Pixels that the tile is smaller by, on each side; a multiple of the network's step.
        threshold: Minimum score of a pixel of a ship, in the tile or in the whole image.

    Returns:
        The halo, a multiple of 16; at most 256.
    """
    edge, difference, score = (np.concatenate(parts) for parts in zip(*_compared(network, images, cut), strict=True))
    level = threshold
    if (score >= threshold).sum() < FEWEST:
        level = min(threshold, float(np.sort(score)[-min(FEWEST, score.size)]))
    ships = score >= level
    edge, off = edge[ships], difference[ships] > TOLERANCE
    for halo in range(0, GREATEST, STEP):
        inside = edge >= halo
        if off[inside].sum() <= SHARE * inside.sum():
            return halo
    return GREATEST


def _compared(
    network: nn.Module, images: Iterable[NDArray[np.float32]], cut: int
) -> Iterable[tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]]:
    """For each image, of the pixels of a tile: distance from its edge, change of the score, and the greater score."""
    network.eval()
    for image in images:
        batch = torch.from_numpy(image)[None]
        whole = network(batch).sigmoid()[0, 0, cut:-cut, cut:-cut].numpy()
        tile = network(batch[..., cut:-cut, cut:-cut].contiguous()).sigmoid()[0, 0].numpy()
        rows, columns = (np.minimum(np.arange(size), np.arange(size)[::-1]) for size in tile.shape)
        edge = np.minimum(rows[:, None], columns)
        yield edge.ravel(), np.abs(whole - tile).ravel(), np.maximum(whole, tile).ravel()
