"""Trainings for other processes, which import them by name."""

from __future__ import annotations

from pathlib import Path

import torch

from geoships.config import train_config
from geoships.training.segmentation.fit import fit


def train(config: Path, out: Path, changes: tuple[str, ...], threads: int) -> None:
    """Train, or go on."""
    torch.set_num_threads(threads)
    fit(train_config(config, changes), out, resume=True, quiet=True)
