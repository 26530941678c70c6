"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from timm.optim.lion import Lion
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from geoships.config.segmentation import Optimiser, Schedule

LEAST = 1e-3  # of the greatest rate, at both ends of a schedule


def make_optimiser(parameters: Iterable[torch.nn.Parameter], settings: Optimiser) -> Optimizer:
    """Make an optimiser over the parameters."""
    rate, decay = settings.rate, settings.weight_decay
    if settings.name == "adam":
        return torch.optim.Adam(parameters, rate, weight_decay=decay)
    if settings.name == "adamw":
        return torch.optim.AdamW(parameters, rate, weight_decay=decay)
    if settings.name == "lion":
        return Lion(parameters, rate, weight_decay=decay)
    return torch.optim.SGD(
        parameters, rate, momentum=settings.momentum, weight_decay=decay, nesterov=settings.momentum > 0
    )


def make_schedule(optimiser: Optimizer, settings: Schedule, steps: int) -> LRScheduler:
    """Make a schedule over all steps of a training, to be moved at each of them."""
    if settings.name == "onecycle":
        rates = [group["lr"] for group in optimiser.param_groups]
        total = max(steps + 1, 4)  # both its halves want a step at least
        return OneCycleLR(optimiser, rates, total_steps=total, pct_start=min(max(settings.warmup, 2 / total), 0.9))
    return LambdaLR(optimiser, lambda step: rate_factor(settings, step, steps))


def rate_factor(settings: Schedule, step: int, steps: int) -> float:
    """Part of the greatest rate at a step, for the schedules other than ``onecycle``.

    >>> [round(rate_factor(Schedule(name="cosine", warmup=0.2), step, 10), 3) for step in (0, 1, 2, 6, 10)]
    [0.001, 0.5, 1.0, 0.5, 0.001]
    """
    rising = round(settings.warmup * steps)
    if step < rising:
        return LEAST + (1 - LEAST) * step / rising
    done = min(1.0, (step - rising) / max(1, steps - rising))
    if settings.name == "cosine":
        return LEAST + (1 - LEAST) * (1 + math.cos(math.pi * done)) / 2
    if settings.name == "poly":
        return float(max(LEAST, (1 - done) ** 0.9))
    return 1.0
