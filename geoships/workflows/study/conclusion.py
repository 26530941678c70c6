"""Writes the conclusion of a study, in sentences that follow from its metrics."""

from __future__ import annotations

import pandas as pd

from geoships.config.study import StudyConfig
from geoships.workflows.study.effects import FACTORS, Difference, differences, group_statistics

MIN_IOU = 0.1  # pixel IoU below which no run has been trained enough for a comparison
NAMES = {"way": "Way", "loss": "Loss", "optimiser": "Optimiser"}


def conclusion(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    """Write the conclusion of a study.

    Args:
        study: Settings.
        runs: One row per finished run, with the columns of FACTORS, `seed` and `iou`.

    Returns:
        Sentences about the best cell, about each factor, and about the limits of the comparison.
    """
    if runs.empty:
        return ["No run is finished, so there is no conclusion."]
    sentences = [_best(runs), *(_factor(runs, factor) for factor in FACTORS)]
    return [*sentences, *_limits(study, runs)]


def _best(runs: pd.DataFrame) -> str:
    cells = group_statistics(runs, FACTORS)
    best, figures = " / ".join(map(str, cells.index[0])), cells.iloc[0]
    if len(cells) == 1:
        return f"One cell was run, {best}, with a mean IoU of {figures['mean']:.3f}."
    text = f"The cell with the highest mean IoU is {best}: {figures['mean']:.3f}{_plus_minus(figures['std'])}."
    if pd.isna(figures["std"]):
        return f"{text} It has one run only, so the spread between seeds is unknown."
    within = int((cells["mean"].iloc[1:] >= figures["mean"] - figures["std"]).sum())
    if within:
        return f"{text} {within} of the other {len(cells) - 1} cells are within one standard deviation of it."
    return f"{text} No other cell is within one standard deviation of it."


def _plus_minus(std: float) -> str:
    return "" if pd.isna(std) else f" ± {std:.3f}"


def _factor(runs: pd.DataFrame, factor: str) -> str:
    name, levels = NAMES[factor], runs[factor].nunique()
    if levels < 2:
        return f"{name}: only {runs[factor].iloc[0]} was run, so there is no comparison."
    pairs = differences(runs, factor)
    if not pairs:
        return f"{name}: no two runs differ in this factor only, so there is no comparison."
    return f"{name}: " + "; ".join(_describe(each) for each in pairs) + "."


def _describe(difference: Difference) -> str:
    gap = f"{difference.more} over {difference.less} by {difference.mean:.3f}"
    if difference.seeds < 2:
        return f"{gap} in one seed, so the spread between seeds is unknown"
    verdict = "more than the spread between seeds" if difference.clear else "within the spread between seeds"
    return f"{gap} ± {difference.half:.3f} ({verdict})"


def _limits(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    limits = []
    ways = [study.ways[name] for name in runs["way"].unique() if name in study.ways]
    if len({way.source for way in ways}) > 1 and len({way.bands for way in ways}) > 1:
        separable = any(
            one.source != two.source and one.bands == two.bands for one in ways for two in ways if one is not two
        )
        if not separable:
            limits.append(
                "The ways differ both in their bands and in how crops are taken, so these runs do not show which of "
                "the two matters. A third way, with the source of one and the bands of the other, would show it."
            )
    best = runs["iou"].max()
    if best < MIN_IOU:
        limits.append(
            f"No run reaches an IoU of {MIN_IOU}: the budget was too small, and the table compares models that are not "
            "trained to the end."
        )
    seeds = runs["seed"].nunique()
    if seeds < 3:
        limits.append(f"{seeds} seed{'s' * (seeds > 1)} say little about the spread; use three or more.")
    return limits
