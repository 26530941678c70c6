"""Checks that a screen and an int8 variant lose no ship, on scenes that the models had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from geoships.config import PredictConfig
from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene
from geoships.evaluation.figures import totals_by_scene
from geoships.model.bundle import Bundle, load_bundle
from geoships.support.progress import Progress
from geoships.workflows.crossval import Fold
from geoships.workflows.entry_files import EntryFiles, files_of
from geoships.workflows.finish.folds import OnlyBar, evaluate_folds, trained_entries
from geoships.workflows.fit_screen import TILE, fit_screen, passing_ships
from geoships.workflows.quantize import quantize

CALIBRATION = 32  # tiles, as many as installed int8 variants were calibrated on

Make = Callable[[Bundle, Path, EntryFiles], object]


@dataclass(frozen=True)
class Check:
    """A variant beside the plain model, on the held-out scenes of all folds.

    Attributes:
        found: Labelled ships that the plain model finds: matched at IoU 0.3.
        lost: Names of the scenes in which the variant does not even touch such a ship, once for each ship.
        plain: F1 at IoU 0.3 of the plain model.
        variant: F1 at IoU 0.3 of the variant.
        passing: Of a screen: labelled ships that pass it with their own cells, and all; None: it is no screen.
    """

    found: int
    lost: tuple[str, ...]
    plain: float | None
    variant: float | None
    passing: tuple[int, int] | None = None

    def record(self) -> dict[str, Any]:
        """Plain values for a card."""
        passing = {} if self.passing is None else {"labelled_ships_passing": list(self.passing)}
        return {
            "ships_found": self.found, "ships_lost": len(self.lost), "lost_in": sorted(set(self.lost)),
            "f1_iou_0.3": self.variant, "f1_iou_0.3_plain": self.plain, **passing,
        }  # fmt: skip

    def __str__(self) -> str:
        where = f" ({', '.join(sorted(set(self.lost)))})" if self.lost else ""
        return f"loses {len(self.lost)} of {self.found} ships{where}, F1 {self.variant:.3f} after {self.plain:.3f}"


def check_screen(folds: Sequence[Fold], folder: Path, progress: Progress) -> Check:
    """Fit a screen for each fold on its own training scenes, and compare its model with and without it.

    Tiles are as small as predictions make them, so that the screen has something to skip.

    Args:
        folds: The folds, with the settings of the finished model.
        folder: For the bundles of the folds.
        progress: Reports the progress.
    """
    progress.note("a screen for each fold, and its scenes with and without it")
    small = PredictConfig(device="cpu", tile_size=TILE + 2 * folds[0].model.card.halo)
    screened = _variants(folds, folder, make_screen)
    check = _compare(folds, screened, small.model_copy(update={"screen": False}), small, progress)
    passed, total = 0, 0
    for fold in screened:
        files = files_of(fold.config.data, fold.held_out)
        counts = passing_ships(
            fold.model, files.scenes, files.labels, ignore=files.ignore, config=files.config(PredictConfig())
        )
        passed, total = passed + counts[0], total + counts[1]
    return replace(check, passing=(passed, total))


def check_int8(folds: Sequence[Fold], folder: Path, progress: Progress) -> Check:
    """Make an int8 variant of each fold's model, calibrated on its training scenes, and compare the two.

    Args:
        folds: The folds, with the settings of the finished model.
        folder: For the bundles of the folds.
        progress: Reports the progress.
    """
    progress.note("an int8 variant for each fold, and its scenes with both")
    plain = PredictConfig(device="cpu", screen=False)
    int8 = plain.model_copy(update={"precision": "int8"})
    return _compare(folds, _variants(folds, folder, make_int8), plain, int8, progress)


def make_screen(bundle: Bundle, out: Path, files: EntryFiles) -> None:
    """Write a bundle with a screen that is fitted on some scenes."""
    config = files.config(PredictConfig())
    fit_screen(bundle, out, files.scenes, files.labels, ignore=files.ignore, config=config)


def make_int8(bundle: Bundle, out: Path, files: EntryFiles) -> None:
    """Write a bundle with an int8 variant that is calibrated on some scenes."""
    quantize(bundle, out, files.scenes, tiles=CALIBRATION, config=files.config(PredictConfig(device="cpu")))


def _variants(folds: Sequence[Fold], folder: Path, make: Make) -> list[Fold]:
    made = []
    for fold in folds:
        out = folder / f"{fold.name}-{make.__name__}"
        make(fold.model, out, files_of(fold.config.data, trained_entries(fold)))
        made.append(replace(fold, model=load_bundle(out)))
    return made


def _compare(
    folds: Sequence[Fold], variants: Sequence[Fold], plain: PredictConfig, other: PredictConfig, progress: Progress
) -> Check:
    bar = OnlyBar(progress)
    before, after = (
        [scene for result in evaluate_folds(models, config, curves=False, progress=bar) for scene in result.scenes]
        for models, config in ((folds, plain), (variants, other))
    )
    lost = [one.files.name for one, two in zip(before, after, strict=True) for _ in range(lost_ships(one, two))]
    found = sum(scene.comparison.one_to_one(CURVE_IOU).matched_labels for scene in before)
    return Check(found, tuple(lost), _f1(folds[0], before), _f1(folds[0], after))


def lost_ships(plain: EvaluatedScene, variant: EvaluatedScene) -> int:
    """Number of labelled ships that are matched in one evaluation of a scene, and not even touched in another."""
    found = plain.comparison.pairs.one_to_one(CURVE_IOU).labelled
    return int(np.setdiff1d(found, variant.comparison.pairs.labelled).size)


def _f1(fold: Fold, scenes: Sequence[EvaluatedScene]) -> float | None:
    threshold = fold.model.card.threshold
    value: float | None = totals_by_scene([(scene, threshold) for scene in scenes])["all"]["ships"]["iou_0.3"]["f1"]
    return value
