"""Finish a trained bundle: settings, screen and int8 variant by the models of its cross-validation."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.evaluation.evaluate_scene import PEAKS, EvaluatedScene
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.seen import seen_text
from geoships.evaluation.store_points import stored_points
from geoships.evaluation.temperature import tempered_card
from geoships.metrics.calibration import fit_temperature
from geoships.model.bundle import Bundle, load_bundle, save_bundle
from geoships.model.bundle_files import refuse_bundle
from geoships.model.card import Card
from geoships.model.engines.graph_maker import with_graph
from geoships.support.files import reserve
from geoships.support.progress import NoProgress, Progress
from geoships.workflows.crossval import Fold
from geoships.workflows.entry_files import EntryFiles, files_of
from geoships.workflows.finish.folds import (
    OnlyBar,
    evaluate_folds,
    read_folds,
    readable,
    trained_entries,
    with_settings,
)
from geoships.workflows.finish.halo import measured_halo
from geoships.workflows.finish.margin import choose_margin
from geoships.workflows.finish.record import NAME, record
from geoships.workflows.finish.settings import Setting, choose_setting, nested_figures
from geoships.workflows.finish.variants import Check, check_int8, check_screen, make_int8, make_screen


@dataclass(frozen=True)
class Finished:
    """A finished bundle.

    Attributes:
        card: Its card.
        record: The results of the cross-validation, as the card has them.
        screen: The check of the screen; None: none was asked for.
        int8: The check of the int8 variant; None: none was asked for.
    """

    card: Card
    record: dict[str, Any]
    screen: Check | None
    int8: Check | None


def finish(
    bundle: Bundle,
    crossval: Path,
    out: Path,
    *,
    screen: bool = True,
    int8: bool = True,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Finished:
    """Write a bundle with all that is chosen and fitted after the training.

    In this order: threshold and minimum peak score, operating points, temperature, halo, label margin, screen, int8
    variant. What is chosen by figures is chosen on the held-out scenes of a cross-validation, each with the model of
    the fold that had not seen it. A screen and an int8 variant are made for each fold, too, and are left out of the
    bundle if one of them loses a ship that the plain model finds on a held-out scene.

    Args:
        bundle: A segmentation model, trained on the scenes of all folds.
        crossval: Folder that `geoships crossval` wrote, of the same settings.
        out: Bundle to write, a folder or .zip.
        screen: Fit a screen.
        int8: Make an int8 variant.
        progress: Reports the progress.
        overwrite: Replace an existing bundle, but not one that is read.

    Returns:
        What was chosen, and the results.

    Raises:
        GeoshipsError: The cross-validation is not finished or not of this model, scenes cannot be read, or the bundle
            cannot be written. No bundle is written then.
    """
    progress = progress or NoProgress()
    bundle.require_segmentation()
    bundle.require_one_class("geoships finish is")
    reserve(out.with_name(f"{out.name}.zip"))  # report a folder that cannot be written before all the work
    folds = read_folds(crossval, bundle)
    refuse_bundle(out, (bundle.path, *(fold.model.path for fold in folds)), overwrite=overwrite)
    progress.note(f"{len(folds)} folds: each scene by a model that has not seen it")
    card, nested = _settings(bundle, folds, progress)
    progress.note(f"threshold {card.threshold:.3f}, minimum peak {card.min_peak:.4f}; halo and figures at these")
    data = folds[0].config.data
    files = files_of(data, readable(data, [*trained_entries(folds[0]), *folds[0].held_out], card))
    card = card.model_copy(update={"halo": measured_halo(replace(bundle, card=card), files)})
    folds = [with_settings(fold, card) for fold in folds]
    plain = PredictConfig(screen=False)
    results = list(evaluate_folds(folds, plain, curves=False, progress=OnlyBar(progress)))
    together = Evaluation(replace(bundle, card=card), plain, _scenes(results), allow_seen=True)
    seen = [seen_text(result.seen, len(result.scenes)) for result in results if result.seen]
    for text in seen:  # a scene of the same place in another group
        progress.warn(text)
    margin = choose_margin(together.scenes, folds[0].model.card.label_margin, card.gsd)
    with tempfile.TemporaryDirectory(prefix="geoships-") as temporary:
        folder = Path(temporary)
        screened = check_screen(folds, folder, progress) if screen else None
        quantized = check_int8(folds, folder, progress) if int8 else None
        checks = {"screen": screened, "int8": quantized}
        done = {name: check.record() for name, check in checks.items() if check}
        entry = record(folds, together.figures, nested, {"warnings": seen, "label_margin": margin, **done})
        others = tuple(metric for metric in card.metrics if metric.get("name") != NAME)
        card = card.model_copy(update={"label_margin": margin["chosen"], "metrics": (*others, entry)})
        finished = with_graph(_assemble(replace(bundle, card=card), files, folder, checks))
    save_bundle(
        out, finished.card, finished.weights, half=False, verifier=finished.verifier, int8=finished.int8,
        screen=finished.screen, graph=finished.graph,
    )  # fmt: skip
    return Finished(finished.card, entry, screened, quantized)


def _settings(bundle: Bundle, folds: Sequence[Fold], progress: Progress) -> tuple[Card, dict[str, Any] | None]:
    """The card with the settings that are chosen on held-out scenes, and what such settings give on other scenes."""
    current = Setting(bundle.card.threshold, bundle.card.min_peak)
    everything = PredictConfig(threshold=current.threshold, min_peak=PEAKS[0], screen=False)
    results = list(evaluate_folds(folds, everything, curves=True, progress=progress))
    scenes = _scenes(results)
    chosen = choose_setting(scenes, current)
    index = scenes[0].scores.thresholds.index(chosen.threshold)
    at_chosen = [replace(scene, peaks=scene.grid[index]) for scene in scenes]
    pixels = reduce(add, (scene.scores for scene in scenes)).pixels
    if not pixels.has_both_labels:
        raise GeoshipsError("the held-out scenes do not have both ship pixels and water pixels; add scenes")
    card = bundle.card.model_copy(
        update={
            "threshold": chosen.threshold,
            "min_peak": chosen.min_peak,
            "operating_points": stored_points(at_chosen, chosen.threshold, chosen.min_peak),
            "temperature": 1.0,
            "screen": None,
        }
    )
    return tempered_card(card, fit_temperature(pixels)), nested_figures([result.scenes for result in results], current)


def _assemble(bundle: Bundle, files: EntryFiles, folder: Path, checks: dict[str, Check | None]) -> Bundle:
    """Add the screen and the int8 variant that lose no ship; the variant is made last, as it holds the temperature."""
    path = folder / "plain"
    save_bundle(path, bundle.card, bundle.weights, half=False, verifier=bundle.verifier)
    for name, make in (("screen", make_screen), ("int8", make_int8)):
        check = checks[name]
        if check is not None and not check.lost:
            make(load_bundle(path), folder / name, files)
            path = folder / name
    return load_bundle(path)


def _scenes(results: Sequence[Evaluation]) -> tuple[EvaluatedScene, ...]:
    return tuple(scene for result in results for scene in result.scenes)
