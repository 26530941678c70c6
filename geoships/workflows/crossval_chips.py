"""Cross-validation of a chip classifier: each chip is scored by a model that was not trained on its group."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from geoships.config.classification import ChipConfig, HeldFold
from geoships.model.bundle import Bundle
from geoships.model.classify import classify
from geoships.support.files import write_together
from geoships.support.overwrite import refuse_overwrites
from geoships.training.classification.fit import fit_chips
from geoships.training.classification.folds import ChipSet, Numbers, make_folds, open_chips


@dataclass(frozen=True)
class ChipFigures:
    """Metrics of a chip classifier.

    Attributes:
        hits: True positives.
        false_alarms: False positives.
        misses: False negatives.
        rejections: True negatives.
        roc_auc: Area under the ROC curve; NaN if only one class occurs.
    """

    hits: int
    false_alarms: int
    misses: int
    rejections: int
    roc_auc: float

    @property
    def accuracy(self) -> float:
        """Fraction of chips that are classified correctly."""
        return (self.hits + self.rejections) / (self.hits + self.false_alarms + self.misses + self.rejections)

    @property
    def precision(self) -> float:
        """Fraction of positives that are ships; NaN without positives."""
        positives = self.hits + self.false_alarms
        return self.hits / positives if positives else math.nan

    @property
    def recall(self) -> float:
        """Fraction of ships that are classified as ships; NaN without ships."""
        ships = self.hits + self.misses
        return self.hits / ships if ships else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (2 * self.hits + self.false_alarms + self.misses) if self.hits else 0.0

    def plain(self) -> dict[str, float | int | None]:
        """Return the metrics by name; None for NaN."""
        rates = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        values = {**rates, **asdict(self)}
        return {name: None if math.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True)
class WrongChip:
    """A chip that is classified incorrectly.

    Attributes:
        file: Path of the chip below the data's root.
        label: 1 with a ship, otherwise 0.
        score: Score of the held-out model.
        fold: Number of the fold, from 1.
    """

    file: str
    label: int
    score: float
    fold: int


@dataclass(frozen=True)
class ChipCrossValidation:
    """The result of a cross-validation.

    Attributes:
        folds: Metrics of each fold.
        total: Metrics over all chips.
        wrong: Chips that are classified incorrectly.
        threshold: Minimum score of a ship.
        groups: Number of groups of near-duplicates.
    """

    folds: tuple[ChipFigures, ...]
    total: ChipFigures
    wrong: tuple[WrongChip, ...]
    threshold: float
    groups: int

    @property
    def table(self) -> str:
        """The metrics of each fold and of all chips in Markdown."""
        rows = [*((str(number), fold) for number, fold in enumerate(self.folds, 1)), ("all", self.total)]
        return "\n".join([TABLE_HEADER, *(_row(name, figures) for name, figures in rows)])


SUMMARY = ("crossval.json", "crossval.md")
TABLE_HEADER = """| fold | accuracy | precision | recall | F1 | ROC AUC | hits | false alarms | misses | rejections |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def _row(name: str, figures: ChipFigures) -> str:
    rates = (figures.accuracy, figures.precision, figures.recall, figures.f1, figures.roc_auc)
    counts = (figures.hits, figures.false_alarms, figures.misses, figures.rejections)
    return f"| {name} | {' | '.join(f'{rate:.4f}' for rate in rates)} | {' | '.join(map(str, counts))} |"


def measure(labels: Numbers, scores: NDArray[np.float32], threshold: float) -> ChipFigures:
    """Compute the metrics of scores.

    Args:
        labels: (chips,) 1 with a ship, otherwise 0.
        scores: (chips,) scores from 0 to 1.
        threshold: Minimum score of a ship.

    Returns:
        The metrics.
    """
    positive, ship = scores >= threshold, labels == 1
    hits, false_alarms, misses, rejections = (
        int(mask.sum()) for mask in (positive & ship, positive & ~ship, ~positive & ship, ~positive & ~ship)
    )
    auc = float(roc_auc_score(labels, scores)) if 0 < ship.sum() < len(ship) else math.nan
    return ChipFigures(hits, false_alarms, misses, rejections, auc)


def cross_validate_chips(
    config: ChipConfig,
    out: Path,
    *,
    folds: int | None = None,
    threshold: float | None = None,
    quiet: bool = False,
    overwrite: bool = False,
) -> ChipCrossValidation:
    """Train and evaluate a classifier for each fold.

    A fold whose training is finished is only evaluated; an interrupted training is resumed.

    Args:
        config: Settings of each training.
        out: Folder for the results: a folder per fold, `crossval.json` and `crossval.md`.
        folds: Number of folds; None: 5.
        threshold: Minimum score of a ship; None: `bundle.threshold` of the settings, or 0.5.
        quiet: Show no progress.
        overwrite: Replace an existing `crossval.json` and `crossval.md`; trainings are kept.

    Returns:
        Metrics by fold and over all chips.

    Raises:
        OutputError: There is a summary already, and `overwrite` is not set.
        GeoshipsError: Settings or chips are not valid, or there are fewer groups than folds.
    """
    refuse_overwrites((out / name for name in SUMMARY), overwrite=overwrite)
    count = folds or 5
    chips = open_chips(config.data)
    all_held_out = make_folds(chips.labels, chips.groups, count, config.data.split_seed)
    scores = np.zeros(len(chips.chips), np.float32)
    for number, held_out in enumerate(all_held_out, 1):
        bundle = _train_fold(config, chips, HeldFold(folds=count, fold=number), out / f"fold-{number}", quiet)
        scores[held_out] = classify(bundle, [chips.images[chip] for chip in held_out], device=config.run.device)
    threshold = threshold or config.bundle.threshold or 0.5
    return _write(_summarise(chips, all_held_out, scores, threshold), chips, scores, out)


def _train_fold(config: ChipConfig, chips: ChipSet, held_out: HeldFold, folder: Path, quiet: bool) -> Bundle:
    """Train the model of a fold, or resume it; `fit_chips` checks that an existing folder has the same settings."""
    data = config.data.model_copy(update={"hold_out": held_out})
    fold = config.model_copy(update={"name": f"{config.name}-{folder.name}", "data": data})
    return fit_chips(fold, folder, chips=chips, resume=True, quiet=quiet).bundle


def _summarise(
    chips: ChipSet, all_held_out: Sequence[Numbers], scores: NDArray[np.float32], threshold: float
) -> ChipCrossValidation:
    labels = chips.labels
    wrong = [
        WrongChip(chips.name(chip), int(labels[chip]), round(float(scores[chip]), 4), fold)
        for fold, held_out in enumerate(all_held_out, 1)
        for chip in held_out
        if (scores[chip] >= threshold) != labels[chip]
    ]
    return ChipCrossValidation(
        folds=tuple(measure(labels[held_out], scores[held_out], threshold) for held_out in all_held_out),
        total=measure(labels, scores, threshold),
        wrong=tuple(wrong),
        threshold=threshold,
        groups=len(np.unique(chips.groups)),
    )


def _write(result: ChipCrossValidation, chips: ChipSet, scores: NDArray[np.float32], out: Path) -> ChipCrossValidation:
    content: dict[str, Any] = {
        "threshold": result.threshold,
        "groups": result.groups,
        "all": result.total.plain(),
        "folds": [fold.plain() for fold in result.folds],
        "wrong": [asdict(chip) for chip in result.wrong],
        "scores": {chips.name(number): round(float(score), 4) for number, score in enumerate(scores)},
    }
    wrong = "\n".join(f"| {chip.file} | {chip.label} | {chip.score:.4f} | {chip.fold} |" for chip in result.wrong)
    text = (
        f"# Cross-validation\n\n{len(chips.chips)} chips in {result.groups} groups, "
        f"minimum score of a ship {result.threshold:g}\n\n{result.table}\n\n"
        f"## Wrong chips\n\n| file | label | score | fold |\n| --- | --- | --- | --- |\n{wrong}\n"
    )
    texts = json.dumps(content, indent=2) + "\n", text
    write_together({out / name: written.encode() for name, written in zip(SUMMARY, texts, strict=True)})
    return result
