"""The folds of a cross-validation that a bundle is finished with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from geoships.config import PredictConfig
from geoships.config.segmentation import Data, SceneFiles
from geoships.errors import GeoshipsError
from geoships.evaluation.evaluation import THRESHOLDS, Evaluation
from geoships.model.bundle import Bundle
from geoships.model.card import Card
from geoships.support.progress import NoProgress, Progress
from geoships.training.labelled_scenes import group_of, open_labelled, scene_files
from geoships.workflows.crossval import Fold, evaluate_entries, finished_folds


class OnlyBar(NoProgress):
    """Passes on how far a run is, without the notes and warnings that an earlier run of the same scenes has given.

    Args:
        progress: Receives them.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, name: str, pixels: int) -> None:
        """Report that a scene is started."""
        self._progress.start(name, pixels)

    def advance(self, pixels: int) -> None:
        """Report finished pixels."""
        self._progress.advance(pixels)


def read_folds(folder: Path, bundle: Bundle) -> list[Fold]:
    """Read the folds of a cross-validation of the same model.

    Args:
        folder: Folder that `geoships crossval` wrote to.
        bundle: The model, trained on all scenes.

    Raises:
        GeoshipsError: There is no finished fold, one is not finished, or it holds another model.
    """
    unfinished = sorted(path.name for path in folder.glob("fold-*") if not (path / "bundle").exists())
    if unfinished:
        raise GeoshipsError(
            f"{folder}: {', '.join(unfinished)} has no bundle; geoships crossval ... --out {folder} goes on with it"
        )
    folds = [fold for fold in finished_folds(folder) if fold.held_out]
    if not folds:
        raise GeoshipsError(f"{folder} holds no fold of a cross-validation; geoships crossval --out makes them")
    for fold in folds:
        if different := _differences(bundle.card, fold.model.card):
            raise GeoshipsError(
                f"{folder / fold.name}: its model differs from {bundle.card.name} in {different[0]}; give the "
                "cross-validation of the same settings"
            )
        _refuse_seen(fold)
    return folds


def evaluate_folds(
    folds: Sequence[Fold], config: PredictConfig, *, curves: bool, progress: Progress
) -> Iterator[Evaluation]:
    """Evaluate each fold's model on the scenes that it was not trained on.

    Args:
        folds: The folds.
        config: Settings of the prediction.
        curves: Also at other thresholds.
        progress: Reports the progress.
    """
    for fold in folds:
        yield evaluate_entries(
            fold.config.data, fold.held_out, fold.model, config, THRESHOLDS if curves else (), progress=progress
        )


def with_settings(fold: Fold, card: Card) -> Fold:
    """A fold whose model has the threshold, minimum peak score, views and temperature of a card."""
    names = ("threshold", "min_peak", "views", "temperature")
    own = fold.model.card.model_copy(update={name: getattr(card, name) for name in names})
    return replace(fold, model=replace(fold.model, card=own))


def trained_entries(fold: Fold) -> list[SceneFiles]:
    """The scenes that the model of a fold was trained on."""
    held_out = set(fold.config.data.hold_out)
    return [entry for entry in scene_files(fold.config.data) if group_of(entry) not in held_out]


def readable(data: Data, entries: Sequence[SceneFiles], card: Card) -> list[SceneFiles]:
    """Those of some scenes that have all bands that a model requires."""
    kept = []
    for entry in entries:
        with open_labelled(entry, data).scene as scene:
            if set(card.bands) - set(card.optional) <= set(scene.wanted):
                kept.append(entry)
    return kept


def _differences(card: Card, other: Card) -> list[str]:
    """What must be the same in two cards and is not."""
    own, others = _facts(card), _facts(other)
    different = [name for name in own if own[name] != others[name]]
    # A bundle may require bands that its folds could do without: it is narrower, and on whole scenes the same.
    return different + ["the bands that may be missing"] * (not set(card.optional) <= set(other.optional))


def _facts(card: Card) -> dict[str, object]:
    return {
        "the network": card.network,
        "the bands": card.bands,
        "the pixel size": (card.gsd, card.gsd_range),
        "the class": [(found.value, found.name) for found in card.classes],
    }


def _refuse_seen(fold: Fold) -> None:
    """Raise GeoshipsError where the model of a fold was trained on a group that it is to be judged on."""
    held_out = {group_of(entry) for entry in fold.held_out}
    if seen := sorted(held_out & set(fold.model.card.trained_on)):
        raise GeoshipsError(
            f"{fold.name}: its model was trained on {', '.join(seen)}, which its settings hold out; run the "
            "cross-validation again in a new folder"
        )
