"""Plots of an evaluation, as SVG images."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geoships.evaluation.evaluate_scene import CURVE_IOU
from geoships.evaluation.figures import Figures

_SIZE = (5.2, 3.6)  # inches
_PEAK_TICKS = (0.5, 0.7, 0.9, 0.97, 0.99, 0.999)
_STYLE: Any = {"svg.hashsalt": "geoships", "svg.fonttype": "path", "axes.grid": True, "grid.alpha": 0.3, "font.size": 9}


def plots(figures: Figures) -> list[tuple[str, str]]:
    """Title and SVG text of each plot; the reliability diagram only where the scores have a calibration."""
    drawn = [
        (f"Precision and recall of ships at IoU {CURVE_IOU}", precision_recall),
        ("Metrics by threshold", over_threshold),
        ("Metrics by minimum peak score", over_min_peak),
        ("Recall by length", recall_by_length),
        *([("Reliability of pixel scores", reliability)] if figures["calibration"] else []),
    ]
    return [(title, draw(figures)) for title, draw in drawn]


def precision_recall(figures: Figures) -> str:
    """Precision-recall curve of ships as SVG: one point per threshold, the threshold of the run as a ring."""
    rows = [row for row in figures["curve"] if row["precision"] is not None and row["recall"] is not None]
    run = [row for row in rows if row["threshold"] == figures["threshold"]]

    def draw(axes: Axes) -> None:
        axes.plot([row["recall"] for row in rows], [row["precision"] for row in rows], marker=".")
        axes.plot([row["recall"] for row in run], [row["precision"] for row in run], "o", ms=10, mfc="none", c="k")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))

    return _svg(draw)


def over_threshold(figures: Figures) -> str:
    """Precision, recall and F1 of ships and Dice of pixels by threshold, as SVG."""
    names = {"precision": "precision", "recall": "recall", "f1": "F1", "pixel_dice": "pixel Dice"}

    def draw(axes: Axes) -> None:
        for name, label in names.items():
            axes.plot(*_known([(row["threshold"], row[name]) for row in figures["curve"]]), marker=".", label=label)
        axes.axvline(figures["threshold"], color="k", ls=":", lw=1, label="threshold of the run")
        axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(fontsize=7)

    return _svg(draw)


def over_min_peak(figures: Figures) -> str:
    """Precision, recall and F1 of ships by minimum peak score as SVG, on a logit axis, with the interval of F1."""
    rows = [row for row in figures["peak_curve"] if row["min_peak"] > 0]

    def draw(axes: Axes) -> None:
        for name, label in {"precision": "precision", "recall": "recall", "f1": "F1"}.items():
            axes.plot(*_known([(row["min_peak"], row[name]) for row in rows]), marker=".", label=label)
        ranged = [(row["min_peak"], *row["f1_interval"]) for row in rows if row["f1_interval"]]
        peaks, low, high = np.array(ranged, np.float64).reshape(-1, 3).T
        axes.fill_between(peaks, low, high, color="C2", alpha=0.15, lw=0, label="F1, 95 % interval")
        if figures["min_peak"] > 0:
            axes.axvline(figures["min_peak"], color="k", ls=":", lw=1, label="minimum peak of the run")
        axes.set_xscale("logit")
        axes.set_xticks(_PEAK_TICKS, [f"{tick:g}" for tick in _PEAK_TICKS])
        axes.set_xticks([], minor=True)
        axes.set(xlabel=f"minimum peak score, at threshold {figures['threshold']:g}", ylim=(0, 1.02))
        axes.legend(fontsize=7)

    return _svg(draw)


def recall_by_length(figures: Figures) -> str:
    """Bar chart of recall by length as SVG, with intervals, and the numbers of matched and labelled ships."""
    rows = figures["by_length_m"]

    def draw(axes: Axes) -> None:
        recalls = [row["recall"] or 0 for row in rows]
        ranges = [row["recall_interval"] or (recall, recall) for row, recall in zip(rows, recalls, strict=True)]
        errors = [
            [max(0, recall - low) for recall, (low, _) in zip(recalls, ranges, strict=True)],
            [max(0, high - recall) for recall, (_, high) in zip(recalls, ranges, strict=True)],
        ]
        bars = axes.bar([row["class"] for row in rows], recalls, yerr=errors, capsize=3)
        axes.bar_label(bars, [f"{row['hit']} of {row['labelled']}" for row in rows], fontsize=7)
        axes.set(xlabel="length of the labelled ship, m", ylabel=f"recall at IoU {CURVE_IOU}", ylim=(0, 1.15))

    return _svg(draw)


def reliability(figures: Figures) -> str:
    """Reliability diagram as SVG: fraction of ship pixels by mean score."""
    rows = figures["calibration"]["bins"]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], "k:", lw=1)
        axes.plot(*_known([(row["score"], row["ship"]) for row in rows]), marker="o")
        axes.set(xlabel="mean score", ylabel="fraction of ship pixels", xlim=(0, 1), ylim=(0, 1))

    return _svg(draw)


def _known(points: Sequence[tuple[float | None, float | None]]) -> tuple[list[float], list[float]]:
    known = [(x, y) for x, y in points if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]


def _svg(draw: Callable[[Axes], None]) -> str:
    with mpl.rc_context(_STYLE):
        figure = Figure(_SIZE, layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
