"""Effects of the factors of a study: paired differences between levels, and statistics of groups of runs."""

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
    """The difference between the means of two levels of a factor.

    Runs are compared in pairs that differ in this factor only. The pairs of a seed are averaged to one difference, so
    there are `seeds` independent differences.

    Attributes:
        factor: One of FACTORS.
        more: Level with the higher mean.
        less: Level with the lower mean.
        mean: Mean difference over the seeds.
        half: Half the width of the 95 % confidence interval (Student's t); NaN with fewer than two seeds.
        seeds: Number of seeds.
        pairs: Number of pairs.
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
        """Whether the confidence interval excludes 0."""
        return bool(abs(self.mean) > self.half)


def differences(runs: pd.DataFrame, factor: str, metric: str = "iou") -> list[Difference]:
    """Compare all levels of a factor in pairs.

    >>> runs = pd.DataFrame({"way": ["a", "b"] * 2, "loss": "dice", "optimiser": "adam", "seed": [1, 1, 2, 2],
    ...                      "iou": [0.5, 0.4, 0.7, 0.5]})
    >>> [difference] = differences(runs, "way")
    >>> difference.more, difference.less, round(difference.mean, 3), round(difference.half, 3), difference.clear
    ('a', 'b', 0.15, 0.635, False)

    Args:
        runs: One row per run, with the columns of FACTORS, `seed` and the metric.
        factor: One of FACTORS.
        metric: Column to compare.

    Returns:
        One difference for each two levels that have runs in common cells, the largest first.
    """
    others = [name for name in (*FACTORS, "seed") if name != factor]
    wide = runs.pivot_table(index=others, columns=factor, values=metric, aggfunc="mean")
    pairs = [_difference(factor, one, two, wide) for one, two in itertools.combinations(wide.columns, 2)]
    return sorted((each for each in pairs if each), key=lambda each: -each.mean)


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


def group_statistics(runs: pd.DataFrame, by: Sequence[str], metric: str = "iou") -> pd.DataFrame:
    """Summarise a metric over groups of runs.

    Args:
        runs: One row per run.
        by: Columns that define the groups.
        metric: Column to summarise.

    Returns:
        Columns `count`, `mean`, `std` (of the sample, n - 1; NaN for one run), `min` and `max`; the best mean first.
    """
    grouped = runs.groupby(list(by), sort=False)[metric].agg(["count", "mean", "std", "min", "max"])
    return grouped.sort_values("mean", ascending=False)


def seed_means(runs: pd.DataFrame, factor: str, metric: str = "iou") -> pd.DataFrame:
    """Summarise the levels of a factor like `group_statistics`, over the means of each seed.

    Args:
        runs: One row per run.
        factor: One of FACTORS.
        metric: Column to summarise.

    Returns:
        The columns of `group_statistics`; `count` is the number of runs, the others are over the means of seeds.
    """
    by_seed = runs.groupby([factor, "seed"], sort=False)[metric].mean().reset_index()
    marginal = group_statistics(by_seed, [factor], metric)
    marginal["count"] = runs.groupby(factor)[metric].count()
    return marginal
