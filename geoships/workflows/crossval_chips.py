"""Cross-validation of a classifier of chips: each chip is judged by a model that saw none of its group."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from geoships.config.classification import ChipConfig, HeldFold
from geoships.model.bundle import Bundle
from geoships.model.classify import classify
from geoships.support.files import atomic_write
from geoships.training.classification.fit import fit_chips
from geoships.training.classification.folds import ChipSet, Numbers, make_folds, open_chips


@dataclass(frozen=True)
class ChipFigures:
    """How scores and labels agree. Ships called ships, others called ships, ships missed, others called others.

    roc_auc: area under the ROC curve; NaN with one class only.
    """

    hits: int
    false_alarms: int
    misses: int
    rejections: int
    roc_auc: float

    @property
    def accuracy(self) -> float:
        """Share of the chips that are called what they are."""
        return (self.hits + self.rejections) / (self.hits + self.false_alarms + self.misses + self.rejections)

    @property
    def precision(self) -> float:
        """Share of those called ships that are; NaN without any."""
        called = self.hits + self.false_alarms
        return self.hits / called if called else math.nan

    @property
    def recall(self) -> float:
        """Share of the ships that are called so; NaN without any."""
        ships = self.hits + self.misses
        return self.hits / ships if ships else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (2 * self.hits + self.false_alarms + self.misses) if self.hits else 0.0

    def plain(self) -> dict[str, float | int | None]:
        """The figures by name; None for NaN."""
        rates = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        values = {**rates, **asdict(self)}
        return {name: None if math.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True)
class WrongChip:
    """A chip that is called what it is not; fold: whose model says so."""

    file: str
    label: int
    score: float
    fold: int


@dataclass(frozen=True)
class ChipCrossValidation:
    """What the folds gave. threshold: score from which on a chip is a ship. groups: how many of near-duplicates."""

    folds: tuple[ChipFigures, ...]
    total: ChipFigures
    wrong: tuple[WrongChip, ...]
    threshold: float
    groups: int

    @property
    def table(self) -> str:
        """The figures of each fold and of all chips, in Markdown."""
        rows = [*((str(number), fold) for number, fold in enumerate(self.folds, 1)), ("all", self.total)]
        return "\n".join([HEAD, *(_row(name, figures) for name, figures in rows)])


HEAD = """| fold | accuracy | precision | recall | F1 | ROC AUC | hits | false alarms | misses | rejections |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def _row(name: str, figures: ChipFigures) -> str:
    rates = (figures.accuracy, figures.precision, figures.recall, figures.f1, figures.roc_auc)
    counts = (figures.hits, figures.false_alarms, figures.misses, figures.rejections)
    return f"| {name} | {' | '.join(f'{rate:.4f}' for rate in rates)} | {' | '.join(map(str, counts))} |"


def measure(labels: Numbers, scores: NDArray[np.float32], threshold: float) -> ChipFigures:
    """Figures of scores from 0 to 1 for labels of 0 and 1."""
    called, ship = scores >= threshold, labels == 1
    hits, false_alarms, misses, rejections = (
        int(pair.sum()) for pair in (called & ship, called & ~ship, ~called & ship, ~called & ~ship)
    )
    auc = float(roc_auc_score(labels, scores)) if 0 < ship.sum() < len(ship) else math.nan
    return ChipFigures(hits, false_alarms, misses, rejections, auc)


def cross_validate_chips(
    config: ChipConfig, out: Path, *, folds: int | None = None, threshold: float | None = None, quiet: bool = False
) -> ChipCrossValidation:
    """Train and judge a model for each fold; a fold that is trained already is judged only, a stopped one goes on.

    config: settings of each training. out: gets a folder for each fold, and `crossval.json` and `crossval.md`.
    folds: how many; None: 5. threshold: score from which on a chip is a ship; None: that of the models, which is
    `bundle.threshold` of the settings or 0.5. Raises GeoshipsError.
    """
    count = folds or 5
    chips = open_chips(config.data)
    parts = make_folds(chips.labels, chips.groups, count, config.data.split_seed)
    scores = np.zeros(len(chips.chips), np.float32)
    for number, held in enumerate(parts, 1):
        bundle = _trained(config, chips, HeldFold(folds=count, fold=number), out / f"fold-{number}", quiet)
        scores[held] = classify(bundle, [chips.images[chip] for chip in held], device=config.run.device)
    limit = threshold or config.bundle.threshold or 0.5
    return _write(_summary(chips, parts, scores, limit), chips, scores, out)


def _trained(config: ChipConfig, chips: ChipSet, held: HeldFold, folder: Path, quiet: bool) -> Bundle:
    """The model of a fold. Its settings are checked against those of a folder that is there already."""
    data = config.data.model_copy(update={"hold_out": held})
    fold = config.model_copy(update={"name": f"{config.name}-{folder.name}", "data": data})
    return fit_chips(fold, folder, chips=chips, resume=True, quiet=quiet).bundle


def _summary(
    chips: ChipSet, parts: Sequence[Numbers], scores: NDArray[np.float32], threshold: float
) -> ChipCrossValidation:
    labels = chips.labels
    wrong = [
        WrongChip(chips.name(chip), int(labels[chip]), round(float(scores[chip]), 4), fold)
        for fold, held in enumerate(parts, 1)
        for chip in held
        if (scores[chip] >= threshold) != labels[chip]
    ]
    return ChipCrossValidation(
        folds=tuple(measure(labels[held], scores[held], threshold) for held in parts),
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
        f"a ship from a score of {result.threshold:g} on\n\n{result.table}\n\n"
        f"## Wrong chips\n\n| file | label | score | fold |\n| --- | --- | --- | --- |\n{wrong}\n"
    )
    with ExitStack() as stack:
        for name, written in (("crossval.json", json.dumps(content, indent=2) + "\n"), ("crossval.md", text)):
            stack.enter_context(atomic_write(out / name)).write_text(written, encoding="utf-8")
    return result
