"""Cross-validation: train without some groups, judge on those, until every group has been judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
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
from geoships.evaluation.tables import by_scene, measures
from geoships.model.bundle import Bundle, load_bundle
from geoships.support.files import atomic_write
from geoships.training.labelled_scenes import below, group_of, scene_files
from geoships.training.segmentation.fit import fit


@dataclass(frozen=True)
class CrossValidation:
    """What the folds gave, each scene judged by a model that never saw its group.

    folds: the groups that each fold was judged on. figures: `all`, over the scenes of all folds together,
    `scenes`, for each, and `matched_ships`, errors of length and heading. table: the same, to read.
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
) -> CrossValidation:
    """Train and judge a model for each fold; a fold that is trained already is judged only, a stopped one goes on.

    config: settings of each training; what `data.hold_out` names is neither trained on nor judged.
    out: gets a folder for each fold, with its run and `evaluation/`, and `crossval.json` and `crossval.md` for all.
    folds: how many; None: one for each group. groups: those to judge, while the others are always trained on;
    empty: all. threshold: score from which on a pixel is ship; None: each model's own.
    split: cut found ships at their necks; None: as `PredictConfig` has it. Raises GeoshipsError.
    """
    entries = [entry for entry in scene_files(config.data) if group_of(entry) not in config.data.hold_out]
    parts = make_folds(_judged_groups(entries, groups), folds, config.seed)
    evaluations = []
    for number, held in enumerate(parts, 1):
        folder = out / f"fold-{number}"
        bundle = _trained(config, folder, held, quiet)
        judged = [entry for entry in entries if group_of(entry) in held]
        evaluation = judge(config.data, judged, bundle, predict_config(threshold=threshold, split=split))
        write_report(evaluation, folder / "evaluation", pictures=False)
        write_outcomes(evaluation, folder / "evaluation" / "ships")
        evaluations.append(evaluation)
    return _write(CrossValidation(parts, *summary(evaluations)), out)


@dataclass(frozen=True)
class Fold:
    """A finished fold: its settings, the model, and the scenes that this one has not seen."""

    name: str
    config: TrainConfig
    model: Bundle
    held: tuple[SceneFiles, ...]


def finished_folds(folder: Path) -> list[Fold]:
    """The finished folds below the folder of a cross-validation. Groups that all of them hold out belong to none."""
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
    """Deal groups out to folds at random; each group is in one fold, and sizes differ by at most one.

    >>> make_folds(["a", "b", "c"], None, seed=1)
    (('a',), ('b',), ('c',))
    """
    if count is None:
        return tuple((group,) for group in sorted(groups))
    if not 2 <= count <= len(groups):
        raise GeoshipsError(f"{count} folds of {len(groups)} groups: choose from 2 to {len(groups)}")
    dealt = np.random.default_rng(seed).permutation(sorted(groups))
    return tuple(tuple(sorted(map(str, dealt[number::count]))) for number in range(count))


def _judged_groups(entries: Sequence[SceneFiles], groups: Sequence[str]) -> list[str]:
    known = sorted({group_of(entry) for entry in entries})
    if unknown := sorted(set(groups) - set(known)):
        raise GeoshipsError(f"no group {', '.join(unknown)}; the groups are {', '.join(known)}")
    return sorted(set(groups)) or known


def _trained(config: TrainConfig, folder: Path, held: Sequence[str], quiet: bool) -> Bundle:
    """The model of a fold. Its settings are checked against those of a folder that is there already."""
    data = config.data.model_copy(update={"hold_out": (*config.data.hold_out, *held)})
    fold = config.model_copy(update={"name": f"{config.name}-{folder.name}", "data": data})
    return fit(fold, folder, resume=True, quiet=quiet).bundle


def judge(
    data: Data,
    entries: Sequence[SceneFiles],
    bundle: Bundle,
    config: PredictConfig,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Evaluation:
    """Judge a model on some scenes of a training's settings.

    config: settings of the judging, less how scenes are read, which their entries say. thresholds: as for `evaluate`.
    Raises GeoshipsError.
    """
    root = data.root
    readings = {(entry.bands, entry.scale, entry.offset, entry.sensor) for entry in entries}
    if len(readings) > 1:
        raise GeoshipsError("scenes of one fold are to be read in different ways; give each a fold of its own")
    bands, scale, offset, sensor = readings.pop()
    return evaluate(
        [entry.scene if "://" in entry.scene else below(root, entry.scene) for entry in entries],
        [below(root, entry.labels) for entry in entries],
        ignore=[below(root, entry.ignore) for entry in entries if entry.ignore],
        thresholds=thresholds,
        config=config.model_copy(update={"bands": bands, "scale": scale, "offset": offset, "sensor": sensor}),
        model=bundle,
    )


def summary(evaluations: Sequence[Evaluation]) -> tuple[dict[str, Any], str]:
    """Figures over the scenes of all evaluations together, as of `totals_by_scene`, and their tables to read."""
    figures = totals_by_scene([(scene, result.threshold) for result in evaluations for scene in result.scenes])
    return figures, f"{by_scene(figures).plain()}\n\n{measures(figures).plain()}"


def _write(result: CrossValidation, out: Path) -> CrossValidation:
    table = "\n\n".join(part(result.figures).markdown() for part in (by_scene, measures))
    folds = "\n".join(f"- fold {number}: {', '.join(held)}" for number, held in enumerate(result.folds, 1))
    texts = {
        "crossval.json": json.dumps({"folds": result.folds, **result.figures}, indent=2) + "\n",
        "crossval.md": f"# Cross-validation\n\n{folds}\n\n{table}\n",
    }
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.enter_context(atomic_write(out / name)).write_text(text, encoding="utf-8")
    return result
