"""Cross-validation of a segmentation model: each fold trains without some groups and evaluates on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoships.config import PredictConfig, TrainConfig, predict_config, train_config
from geoships.config.segmentation import Data, SceneFiles
from geoships.errors import GeoshipsError
from geoships.evaluation.evaluation import THRESHOLDS, Evaluation, evaluate
from geoships.evaluation.figures import totals_by_scene
from geoships.evaluation.outcomes import write_outcomes
from geoships.evaluation.report import write_report
from geoships.evaluation.tables import by_length, by_scene, measures
from geoships.model.bundle import Bundle, load_bundle
from geoships.support.files import write_together
from geoships.support.overwrite import refuse_overwrites
from geoships.support.progress import Progress
from geoships.training.labelled_scenes import group_of, scene_files
from geoships.training.segmentation.fit import fit
from geoships.workflows.entry_files import files_of

SUMMARY = ("crossval.json", "crossval.md")
_TABLES = (by_scene, by_length, measures)


@dataclass(frozen=True)
class CrossValidation:
    """The result of a cross-validation; each scene is evaluated with a model that was not trained on its group.

    Attributes:
        folds: Held-out groups of each fold.
        figures: Metrics over the scenes of all folds together (`all`), of each scene (`scenes`), and errors of length
            and heading (`matched_ships`).
        table: The metrics as text.
    """

    folds: tuple[tuple[str, ...], ...]
    figures: dict[str, Any]
    table: str


def cross_validate(
    config: TrainConfig,
    out: Path,
    *,
    folds: int | None = None,
    groups: Sequence[str] = (),
    threshold: float | None = None,
    split: bool | None = None,
    quiet: bool = False,
    overwrite: bool = False,
) -> CrossValidation:
    """Train and evaluate a model for each fold.

    A fold whose training is finished is only evaluated; an interrupted training is resumed.

    Args:
        config: Settings of each training. Groups in `data.hold_out` are neither trained on nor evaluated.
        out: Folder for the results: a folder per fold with its run and `evaluation/`, `crossval.json` and
            `crossval.md`.
        folds: Number of folds; None: one per group.
        groups: Groups to evaluate on; all others are always trained on. Empty: all.
        threshold: Minimum score of a ship pixel; None: each model's own.
        split: Split detections at narrow necks; None: the default of `PredictConfig`.
        quiet: Show no progress.
        overwrite: Replace an existing `crossval.json` and `crossval.md`; trainings are kept.

    Returns:
        Metrics over all folds.

    Raises:
        OutputError: There is a summary already, and `overwrite` is not set.
        GeoshipsError: Settings, scenes or labels are not valid, a group is unknown, or there are fewer groups than
            folds.
    """
    require_one_class(config, "cross-validation")
    refuse_overwrites((out / name for name in SUMMARY), overwrite=overwrite)
    entries = [entry for entry in scene_files(config.data) if group_of(entry) not in config.data.hold_out]
    all_held_out = make_folds(_groups_to_evaluate(entries, groups), folds, config.seed)
    evaluations = []
    for number, held_out in enumerate(all_held_out, 1):
        folder = out / f"fold-{number}"
        bundle = _train_fold(config, folder, held_out, quiet)
        test_entries = [entry for entry in entries if group_of(entry) in held_out]
        settings = predict_config(threshold=threshold, split=split)
        evaluation = evaluate_entries(config.data, test_entries, bundle, settings)
        write_report(evaluation, folder / "evaluation", pictures=False, overwrite=True)  # the fold's own
        write_outcomes(evaluation, folder / "evaluation" / "ships", overwrite=True)
        evaluations.append(evaluation)
    return _write(CrossValidation(all_held_out, *summary(evaluations)), out)


def require_one_class(config: TrainConfig, what: str) -> None:
    """Raise GeoshipsError if a training is of several classes. what: is for one class only, for the error."""
    if config.data.classes:
        raise GeoshipsError(
            f"{what} is for one class: give data.target in place of data.classes, or evaluate each training with "
            "geoships evaluate"
        )


@dataclass(frozen=True)
class Fold:
    """A finished fold.

    Attributes:
        name: Name of its folder.
        config: Settings of its training.
        model: The trained model.
        held_out: Scenes that the model was not trained on.
    """

    name: str
    config: TrainConfig
    model: Bundle
    held_out: tuple[SceneFiles, ...]


def finished_folds(folder: Path) -> list[Fold]:
    """Read the finished folds of a cross-validation.

    Args:
        folder: Folder that `cross_validate` wrote to.

    Returns:
        The folds. Groups that every fold holds out belong to none of them.

    Raises:
        GeoshipsError: Settings, a bundle or the list of scenes cannot be read.
    """
    paths = sorted(path.parent for path in folder.glob("fold-*/bundle"))
    configs = [train_config(path / "config.yaml") for path in paths]
    common = set.intersection(*(set(config.data.hold_out) for config in configs)) if len(configs) > 1 else set()
    return [
        Fold(path.name, config, load_bundle(path / "bundle"), tuple(
            entry for entry in scene_files(config.data) if group_of(entry) in set(config.data.hold_out) - common
        ))
        for path, config in zip(paths, configs, strict=True)
    ]  # fmt: skip


def make_folds(groups: Sequence[str], count: int | None, seed: int) -> tuple[tuple[str, ...], ...]:
    """Assign groups to folds at random; the sizes of folds differ by at most one group.

    >>> make_folds(["a", "b", "c"], None, seed=1)
    (('a',), ('b',), ('c',))

    Args:
        groups: Names of the groups.
        count: Number of folds; None: one per group.
        seed: Seed of the random generator.

    Returns:
        Names of the groups of each fold, sorted.

    Raises:
        GeoshipsError: There are fewer groups than folds, or fewer than two folds.
    """
    if count is None:
        return tuple((group,) for group in sorted(groups))
    if not 2 <= count <= len(groups):
        raise GeoshipsError(f"expected 2 to {len(groups)} folds of {len(groups)} groups, got {count}")
    shuffled = np.random.default_rng(seed).permutation(sorted(groups))
    return tuple(tuple(sorted(map(str, shuffled[number::count]))) for number in range(count))


def _groups_to_evaluate(entries: Sequence[SceneFiles], groups: Sequence[str]) -> list[str]:
    known = sorted({group_of(entry) for entry in entries})
    if unknown := sorted(set(groups) - set(known)):
        raise GeoshipsError(f"unknown group {', '.join(unknown)}; the groups are {', '.join(known)}")
    return sorted(set(groups)) or known


def _train_fold(config: TrainConfig, folder: Path, held_out: Sequence[str], quiet: bool) -> Bundle:
    """Train the model of a fold, or resume it; `fit` checks that an existing folder has the same settings."""
    data = config.data.model_copy(update={"hold_out": (*config.data.hold_out, *held_out)})
    fold = config.model_copy(update={"name": f"{config.name}-{folder.name}", "data": data})
    return fit(fold, folder, resume=True, quiet=quiet).bundle


def evaluate_entries(
    data: Data,
    entries: Sequence[SceneFiles],
    bundle: Bundle,
    config: PredictConfig,
    thresholds: Sequence[float] = THRESHOLDS,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on some scenes of a training's settings.

    Args:
        data: Data settings of the training.
        entries: Scenes with their labels; all need the same bands, scale, offset and sensor.
        bundle: The model.
        config: Prediction settings; bands, scale, offset and sensor are taken from the entries.
        thresholds: Further thresholds, as for `geoships.evaluation.evaluate`.
        progress: Reports the progress.

    Returns:
        The evaluation.

    Raises:
        GeoshipsError: Entries differ in bands, scale, offset or sensor, or a scene or its labels cannot be read.
    """
    files = files_of(data, entries)
    return evaluate(
        files.scenes,
        files.labels,
        ignore=files.ignore,
        thresholds=thresholds,
        config=files.config(config),
        model=bundle,
        progress=progress,
    )


def summary(evaluations: Sequence[Evaluation]) -> tuple[dict[str, Any], str]:
    """Summarise several evaluations.

    Args:
        evaluations: Evaluations of different scenes.

    Returns:
        Metrics over the scenes of all evaluations together, see `totals_by_scene`, and the metrics as text.
    """
    figures = totals_by_scene([(scene, result.threshold) for result in evaluations for scene in result.scenes])
    return figures, "\n\n".join(make_table(figures).plain() for make_table in _TABLES)


def _write(result: CrossValidation, out: Path) -> CrossValidation:
    table = "\n\n".join(make_table(result.figures).markdown() for make_table in _TABLES)
    folds = "\n".join(f"- fold {number}: {', '.join(held_out)}" for number, held_out in enumerate(result.folds, 1))
    texts = (
        json.dumps({"folds": result.folds, **result.figures}, indent=2) + "\n",
        f"# Cross-validation\n\n{folds}\n\n{table}\n",
    )
    write_together({out / name: text.encode() for name, text in zip(SUMMARY, texts, strict=True)})
    return result
