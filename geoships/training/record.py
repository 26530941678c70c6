"""What the card of a bundle tells of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "training"
_DECIMALS = 4


def training_record(
    *,
    figures: Mapping[str, float],
    threshold: float,
    budget: Mapping[str, float],
    data: Mapping[str, int],
    note: str | None,
) -> dict[str, Any]:
    """An entry of `Card.metrics` on the training itself.

    Args:
        figures: Validation figures of the weights in the bundle, by name.
        threshold: Threshold of the card.
        budget: How long was trained: crops, epochs, hours.
        data: How much was trained and validated on.
        note: What the figures were computed on; None: there were no validation data.
    """
    return {
        "name": NAME,
        "note": note or "No validation data: these figures say nothing of how well ships are found.",
        "figures": {
            **{name: round(value, _DECIMALS) for name, value in sorted(figures.items()) if note},
            "threshold": threshold,
        },
        "budget": dict(budget),
        "data": dict(data),
    }
