"""What a card tells of the cross-validation that its bundle was finished with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoships.evaluation.figures import Figures
from geoships.training.labelled_scenes import group_of
from geoships.workflows.crossval import Fold

NAME = "cross-validation by groups"
NOTE = (
    "Each scene was judged by a model that was not trained on its group; the weights of the bundle were. Threshold and "
    "minimum peak score were chosen on the same scenes; `nested` chooses them for each fold on the other folds. "
    "Intervals are of 95 %."
)
METRICS = ("precision", "recall", "f1")


def record(
    folds: Sequence[Fold], figures: Figures, nested: Mapping[str, Any] | None, others: Mapping[str, Any]
) -> dict[str, Any]:
    """An entry of `Card.metrics`.

    Args:
        folds: The folds.
        figures: Of all held-out scenes together, at the settings of the card.
        nested: Figures at settings that were chosen on other folds.
        others: Further results by name: warnings, the label margin, and the checks of the screen and the int8 variant.
    """
    calibration = figures["calibration"]
    return {
        "name": NAME,
        "note": NOTE,
        "folds": [sorted({group_of(entry) for entry in fold.held_out}) for fold in folds],
        "ships": figures["all"]["ships"]["touched"]["labelled"],
        "figures": _flat(figures["all"], intervals=True),
        "nested": dict(nested) if nested else None,
        "scenes": {name: _flat(totals, intervals=False) for name, totals in figures["scenes"].items()},
        "by_length_m": figures["by_length_m"],
        "matched_ships": figures["matched_ships"],
        "calibration": {name: calibration[name] for name in ("ece", "brier", "log_loss")} if calibration else None,
        **others,
    }


def _flat(totals: Figures, *, intervals: bool) -> Figures:
    """The main figures of pixels and ships under one name each, such as ``f1_iou_0.3``."""
    endings = ("", "_interval") if intervals else ("",)
    flat = {f"iou{ending}": totals["pixels"][f"iou{ending}"] for ending in endings}
    for kind in ("touched", "iou_0.1", "iou_0.3", "iou_0.5"):
        for metric in METRICS:
            for ending in endings:
                flat[f"{metric}_{kind}{ending}"] = totals["ships"][kind][f"{metric}{ending}"]
    return flat
