"""A fake engine: scores without a network."""

from __future__ import annotations

import numpy as np
import torch


class BrightnessEngine:
    """Scores are the first band's reflectance, clipped to 0..1; batches above `limit` pixels run out of memory."""

    def __init__(self, batch_size: int = 4, limit: int | None = None) -> None:
        self.batch_size, self.limit = batch_size, limit
        self.batches: list[int] = []

    def submit(self, images: torch.Tensor) -> np.ndarray:
        if self.limit is not None and images[:, 0].numel() > self.limit:
            raise torch.OutOfMemoryError("fake device out of memory")
        self.batches.append(len(images))
        return images[:, 0].clamp(0, 1).numpy()

    def collect(self, handle: np.ndarray) -> np.ndarray:
        return handle
