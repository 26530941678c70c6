"""Parts of a data set: whole groups, in given shares."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from geoships.errors import GeoshipsError

Group = TypeVar("Group", bound=Hashable)

PARTS = ("train", "validation", "test")


def parse_shares(text: str) -> dict[str, float]:
    """Shares of train, validation and test, of `70,15,15` or `80,20`.

    >>> parse_shares("80,20")
    {'train': 0.8, 'validation': 0.2}

    Raises GeoshipsError for what is no two or three positive numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 < len(numbers) <= len(PARTS) or not all(0 < number < float("inf") for number in numbers):
        raise GeoshipsError(f"the shares {text!r} are no two or three positive numbers, such as 70,15,15")
    return {part: number / sum(numbers) for part, number in zip(PARTS, numbers, strict=False)}


def assign(groups: Mapping[Group, Sequence[float]], shares: Mapping[str, float], *, seed: int = 0) -> dict[Group, str]:
    """Give each group to a part, so that each part gets about its share of every weight.

    The heaviest group goes first, to the part that lacks most; every part gets a group while there are enough.

    groups: weights of each, such as (chips with ships, other chips). shares: of the parts, sum 1.
    seed: decides between groups of equal weight.

    >>> assign({"a": (6,), "b": (3,), "c": (1,)}, {"train": 0.7, "validation": 0.3})
    {'a': 'train', 'b': 'validation', 'c': 'train'}
    """
    names = list(groups)
    weights = np.array([groups[name] for name in names], float).reshape(len(names), -1)
    weights /= np.maximum(weights.sum(axis=0), 1e-9)  # of each kind, the share that a group has
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-weights[shuffled].sum(axis=1), kind="stable")]
    parts, filled, sizes = list(shares), {part: np.zeros(weights.shape[1]) for part in shares}, dict.fromkeys(shares, 0)
    found: dict[Group, str] = {}
    for place, index in enumerate(order):
        empty = [part for part in parts if not sizes[part]]
        wanting = empty if len(order) - place <= len(empty) else parts
        part = max(wanting, key=lambda part: float((shares[part] - filled[part]).sum()) / shares[part] ** 0.5)
        filled[part] += weights[index]
        sizes[part] += 1
        found[names[index]] = part
    return {name: found[name] for name in names}
