"""What a study says, in sentences that follow from its figures alone."""

from __future__ import annotations

import pandas as pd

from geoships.config.study import StudyConfig
from geoships.workflows.study.effects import FACTORS, Difference, differences, spread

LOW = 0.1  # pixel IoU below which a table compares beginnings
NAMES = {"way": "Way", "loss": "Loss", "optimiser": "Optimiser"}


def conclusion(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    """Sentences on the best cell, on each factor, and on what the figures do not tell. runs: one row a run."""
    if runs.empty:
        return ["No run is finished: there is nothing to conclude."]
    sentences = [_best(runs), *(_factor(runs, factor) for factor in FACTORS)]
    return [*sentences, *_limits(study, runs)]


def _best(runs: pd.DataFrame) -> str:
    cells = spread(runs, FACTORS)
    best, figures = " / ".join(map(str, cells.index[0])), cells.iloc[0]
    if len(cells) == 1:
        return f"One cell was run, {best}, with a mean IoU of {figures['mean']:.3f}."
    text = f"The cell with the highest mean IoU is {best}: {figures['mean']:.3f}{_around(figures['std'])}."
    if pd.isna(figures["std"]):
        return f"{text} With one run of it, nothing tells luck from merit."
    within = int((cells["mean"].iloc[1:] >= figures["mean"] - figures["std"]).sum())
    if within:
        return f"{text} {within} of the other {len(cells) - 1} cells come within its standard deviation of it."
    return f"{text} No other cell comes within its standard deviation of it."


def _around(std: float) -> str:
    return "" if pd.isna(std) else f" ± {std:.3f}"


def _factor(runs: pd.DataFrame, factor: str) -> str:
    name, levels = NAMES[factor], runs[factor].nunique()
    if levels < 2:
        return f"{name}: only {runs[factor].iloc[0]} was run, so nothing is compared."
    found = differences(runs, factor)
    if not found:
        return f"{name}: no two runs differ in this alone, so nothing is compared."
    return f"{name}: " + "; ".join(_compared(each) for each in found) + "."


def _compared(found: Difference) -> str:
    gap = f"{found.more} over {found.less} by {found.mean:.3f}"
    if found.seeds < 2:
        return f"{gap} in one seed, which gives no spread to judge it by"
    verdict = "more than the spread between seeds" if found.clear else "within the spread between seeds"
    return f"{gap} ± {found.half:.3f} ({verdict})"


def _limits(study: StudyConfig, runs: pd.DataFrame) -> list[str]:
    limits = []
    ways = [study.ways[name] for name in runs["way"].unique() if name in study.ways]
    if len({way.source for way in ways}) > 1 and len({way.bands for way in ways}) > 1:
        alone = any(
            one.source != two.source and one.bands == two.bands for one in ways for two in ways if one is not two
        )
        if not alone:
            limits.append(
                "The ways differ in their bands and in how crops are taken at once; which of the two counts, these "
                "runs do not tell. A third way, with the source of one and the bands of the other, would."
            )
    best = runs["iou"].max()
    if best < LOW:
        limits.append(
            f"No run reaches an IoU of {LOW}: the budget was too small to learn the task, and the table compares "
            "beginnings of trainings, not trained models."
        )
    seeds = runs["seed"].nunique()
    if seeds < 3:
        limits.append(f"{seeds} seed{'s' * (seeds > 1)} say little about the spread; three are the least to go by.")
    return limits
