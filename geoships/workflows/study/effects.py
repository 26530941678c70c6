"""How much a choice matters: differences between the levels of a factor, seed by seed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

FACTORS = ("way", "loss", "optimiser")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of one level of a factor less that of another.

    Runs are compared in pairs that differ in this factor alone; the pairs of a seed make one difference, so that
    `seeds` of them are independent. mean: over the seeds. half: half the width of the confidence interval, by
    Student's t; NaN for fewer than two seeds. pairs: number of pairs.
    """

    factor: str
    more: str
    less: str
    mean: float
    half: float
    seeds: int
    pairs: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0: the difference is more than the spread between seeds."""
        return bool(abs(self.mean) > self.half)


def differences(runs: pd.DataFrame, factor: str, metric: str = "iou") -> list[Difference]:
    """The differences between all levels of a factor, the larger mean first, in the order of their size.

    runs: one row a run, with the columns of FACTORS, `seed` and the metric.

    >>> runs = pd.DataFrame({"way": ["a", "b"] * 2, "loss": "dice", "optimiser": "adam", "seed": [1, 1, 2, 2],
    ...                      "iou": [0.5, 0.4, 0.7, 0.5]})
    >>> [found] = differences(runs, "way")
    >>> found.more, found.less, round(found.mean, 3), round(found.half, 3), found.clear
    ('a', 'b', 0.15, 0.635, False)
    """
    others = [name for name in (*FACTORS, "seed") if name != factor]
    wide = runs.pivot_table(index=others, columns=factor, values=metric, aggfunc="mean")
    found = [_difference(factor, one, two, wide) for one, two in itertools.combinations(wide.columns, 2)]
    return sorted((each for each in found if each), key=lambda each: -each.mean)


def _difference(factor: str, one: str, two: str, wide: pd.DataFrame) -> Difference | None:
    pairs = (wide[one] - wide[two]).dropna()
    if pairs.empty:
        return None
    by_seed = pairs.groupby(level="seed").mean().to_numpy()
    mean, count = float(by_seed.mean()), len(by_seed)
    half = float("nan")
    if count > 1:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * by_seed.std(ddof=1) / np.sqrt(count))
    more, less = (one, two) if mean >= 0 else (two, one)
    return Difference(factor, str(more), str(less), abs(mean), half, count, len(pairs))


def spread(runs: pd.DataFrame, by: Sequence[str], metric: str = "iou") -> pd.DataFrame:
    """Number of runs, mean, standard deviation, least and greatest figure of each group, the best mean first.

    The standard deviation is of the sample (n - 1); NaN for one run.
    """
    grouped = runs.groupby(list(by), sort=False)[metric].agg(["count", "mean", "std", "min", "max"])
    return grouped.sort_values("mean", ascending=False)


def seed_means(runs: pd.DataFrame, factor: str, metric: str = "iou") -> pd.DataFrame:
    """As `spread`, of the means that each level of a factor has in each seed: the spread between whole repetitions."""
    by_seed = runs.groupby([factor, "seed"], sort=False)[metric].mean().reset_index()
    marginal = spread(by_seed, [factor], metric)
    marginal["count"] = runs.groupby(factor)[metric].count()
    return marginal
