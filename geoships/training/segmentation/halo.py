"""How much context the scores of a trained network need."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

STEP = 16  # pixels between the halos that are tried
GREATEST = 256
TOLERANCE = 0.02  # score


@torch.inference_mode()
def measure_halo(network: nn.Module, images: Iterable[NDArray[np.float32]], cut: int) -> int:
    """Pixels from a tile's edge beyond which its scores are those of the whole image, within 0.02.

    network: maps normalised images to logits. images: (bands, rows, columns), normalised; rows and columns
    are multiples of the network's step and larger than 2 * (cut + 256). cut: pixels that the tile is smaller
    by, on each side; a multiple of the network's step. At most 256.
    """
    worst = np.zeros(GREATEST // STEP)
    network.eval()
    for image in images:
        batch = torch.from_numpy(image)[None]
        whole = network(batch).sigmoid()[0, 0, cut:-cut, cut:-cut]
        tile = network(batch[..., cut:-cut, cut:-cut].contiguous()).sigmoid()[0, 0]
        difference = (whole - tile).abs().numpy()
        for number in range(len(worst)):
            halo = number * STEP
            worst[number] = max(worst[number], difference[halo : -halo or None, halo : -halo or None].max())
    enough = np.flatnonzero(worst <= TOLERANCE)
    return int(enough[0]) * STEP if enough.size else GREATEST
