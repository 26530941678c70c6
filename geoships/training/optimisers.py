"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from timm.optim.lion import Lion
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from geoships.config.training import Optimiser, Schedule

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
    return LambdaLR(optimiser, lambda step: rate_factor(settings, step / max(1, steps)))


def rate_factor(settings: Schedule, done: float) -> float:
    """Part of the highest rate.

    Args:
        settings: The schedule.
        done: Part of the training that is done, 0 to 1.

    >>> [round(rate_factor(Schedule(name="cosine", warmup=0.2), done), 2) for done in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if done < settings.warmup:
        part = done / settings.warmup
        if settings.name == "onecycle":  # Smith and Topin, Super-Convergence, 2018: both sides are cosines
            part = (1 - math.cos(math.pi * part)) / 2
        return LEAST + (1 - LEAST) * part
    left = min(1.0, (done - settings.warmup) / (1 - settings.warmup))
    if settings.name in ("cosine", "onecycle"):
        return LEAST + (1 - LEAST) * (1 + math.cos(math.pi * left)) / 2
    if settings.name == "poly":
        return float(max(LEAST, (1 - left) ** 0.9))
    return 1.0
