"""Plots of a study: learning curves, and the IoU of every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geoships.workflows.study.effects import FACTORS

DASHES = ("-", "--", ":", "-.")
CURVES = {"train_loss": "training loss", "val_iou": "validation IoU"}


def read_curves(folder: Path) -> pd.DataFrame:
    """Read the training loss and validation IoU of a run by step.

    Args:
        folder: Folder of the run. A resumed run has one log per session; the latest value of a step counts.

    Returns:
        Columns `step`, `train_loss` and `val_iou`; empty without logs.
    """
    logs = sorted(folder.glob("logs/part-*/metrics.csv"), key=lambda path: int(path.parent.name.split("-")[1]))
    tables = [pd.read_csv(path) for path in logs if path.stat().st_size]
    if not tables:
        return pd.DataFrame(columns=["step", *CURVES])
    rows = pd.concat(tables, ignore_index=True).reindex(columns=["step", *CURVES])
    return rows.groupby("step").last().reset_index()


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Plot training loss (top) and validation IoU (bottom), with a column for each way.

    Args:
        curves: Rows of `read_curves` with the columns of FACTORS and `seed`.

    Returns:
        The figure; each line is the mean over seeds, with the range as a band.
    """
    ways = list(curves["way"].unique())
    metrics = [name for name in CURVES if curves[name].notna().any()]
    figure = Figure(figsize=(4.6 * len(ways) + 1.9, 3.0 * len(metrics) + 0.4), layout="constrained")
    axes = figure.subplots(len(metrics), len(ways), squeeze=False, sharex=True, sharey="row")
    for column, way in enumerate(ways):
        for row, name in enumerate(metrics):
            _plot_lines(axes[row, column], curves[curves["way"] == way], name, curves)
            axes[row, 0].set_ylabel(CURVES[name])
        axes[0, column].set_title(way)
        axes[-1, column].set_xlabel("step")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, title="loss / optimiser")
    return figure


def _plot_lines(axes: Axes, curves: pd.DataFrame, name: str, all_curves: pd.DataFrame) -> None:
    colours = {level: f"C{number}" for number, level in enumerate(all_curves["optimiser"].unique())}
    dashes = {level: DASHES[number % len(DASHES)] for number, level in enumerate(all_curves["loss"].unique())}
    for (loss, optimiser), runs in curves.groupby(["loss", "optimiser"], sort=False):
        by_step = runs.dropna(subset=name).groupby("step")[name]
        mean, low, high = by_step.mean(), by_step.min(), by_step.max()
        axes.plot(mean.index, mean, dashes[loss], color=colours[optimiser], label=f"{loss} / {optimiser}", lw=1.4)
        axes.fill_between(mean.index, low, high, color=colours[optimiser], alpha=0.08, lw=0)
    axes.grid(alpha=0.3)


def cell_points(runs: pd.DataFrame) -> Figure:
    """Plot the IoU of every run by cell, the best mean on top.

    Args:
        runs: One row per run, with the columns of FACTORS and `iou`.

    Returns:
        The figure; a point is a run, a bar the mean of a cell.
    """
    cells = runs.groupby(list(FACTORS), sort=False)["iou"]
    order = cells.mean().sort_values().index
    ways = list(runs["way"].unique())
    figure = Figure(figsize=(7.2, 1.2 + 0.34 * len(order)), layout="constrained")
    axes = figure.subplots()
    for y, cell in enumerate(order):
        values, colour = cells.get_group(cell), f"C{ways.index(cell[0])}"
        axes.plot(values, np.full(len(values), y), "o", color=colour, alpha=0.6, ms=6)
        axes.plot([values.mean()] * 2, [y - 0.32, y + 0.32], color=colour, lw=2.5)
    axes.set_yticks(range(len(order)), [" / ".join(map(str, cell)) for cell in order])
    axes.set_xlabel("pixel IoU on the held-out scenes; a point is a run, a bar the mean of a cell")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3, axis="x")
    return figure
