"""Assigns whole groups of a data set to training, validation and test parts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from geoships.errors import GeoshipsError

Group = TypeVar("Group", bound=Hashable)

PARTS = ("train", "validation", "test")


def parse_shares(text: str) -> dict[str, float]:
    """Parse the fractions of the parts: train, validation and optionally test.

    >>> parse_shares("80,20")
    {'train': 0.8, 'validation': 0.2}

    Args:
        text: Two or three positive numbers, such as ``70,15,15``.

    Returns:
        Fractions by part, with the sum 1.

    Raises:
        GeoshipsError: The text is not two or three positive numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 < len(numbers) <= len(PARTS) or not all(0 < number < float("inf") for number in numbers):
        raise GeoshipsError(f"--shares {text!r}: expected two or three positive numbers, such as 70,15,15")
    return {part: number / sum(numbers) for part, number in zip(PARTS, numbers, strict=False)}


def assign(groups: Mapping[Group, Sequence[float]], shares: Mapping[str, float], *, seed: int = 0) -> dict[Group, str]:
    """Assign each group to a part, so that each part gets about its fraction of every weight.

    This is greedy: the heaviest group comes first, and goes to the part that lacks most. Every part gets a group if
    there are enough.

    >>> assign({"a": (6,), "b": (3,), "c": (1,)}, {"train": 0.7, "validation": 0.3})
    {'a': 'train', 'b': 'validation', 'c': 'train'}

    Args:
        groups: Weights by group, such as (chips with ships, other chips).
        shares: Fractions by part, with the sum 1.
        seed: Order of groups of equal weight.

    Returns:
        Part by group.
    """
    names = list(groups)
    weights = np.array([groups[name] for name in names], float).reshape(len(names), -1)
    weights /= np.maximum(weights.sum(axis=0), 1e-9)  # as fractions of the total of each weight
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-weights[shuffled].sum(axis=1), kind="stable")]
    parts, filled, sizes = list(shares), {part: np.zeros(weights.shape[1]) for part in shares}, dict.fromkeys(shares, 0)
    assigned: dict[Group, str] = {}
    for done, index in enumerate(order):
        empty = [part for part in parts if not sizes[part]]
        candidates = empty if len(order) - done <= len(empty) else parts
        part = max(candidates, key=lambda part: float((shares[part] - filled[part]).sum()) / shares[part] ** 0.5)
        filled[part] += weights[index]
        sizes[part] += 1
        assigned[names[index]] = part
    return {name: assigned[name] for name in names}
