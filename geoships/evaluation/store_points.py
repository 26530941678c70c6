"""Store the operating points of an evaluation in a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.operating_points import operating_points
from geoships.model.bundle import save_bundle
from geoships.model.card import Card, OperatingPoint, Sensitivity

_STORED = ("threshold", "min_peak", "precision", "recall")


def store_operating_points(evaluation: Evaluation) -> Card:
    """Store the operating points that an evaluation has chosen in its bundle.

    Args:
        evaluation: The evaluation; its bundle is overwritten.

    Returns:
        The new card.

    Raises:
        GeoshipsError: Where no labelled ship was found, or the model was trained on one of the scenes, unless that is
            allowed.
        BundleError: Where the bundle cannot be written, or its model finds several classes.
    """
    evaluation.model.require_one_class("operating points are")
    figures, bundle = evaluation.figures, evaluation.model
    points = stored_points(evaluation.scenes, evaluation.threshold, evaluation.min_peak, figures["seen"])
    if figures["warnings"]:
        raise GeoshipsError(
            f"the operating points are not stored: {figures['warnings'][0]}; evaluate other scenes, or allow these "
            "(--allow-seen)"
        )
    card = bundle.card.model_copy(update={"operating_points": points})
    save_bundle(
        bundle.path, card, bundle.weights, half=False, verifier=bundle.verifier, int8=bundle.int8, screen=bundle.screen,
        graph=bundle.graph,
    )  # fmt: skip
    return card


def stored_points(
    scenes: Sequence[EvaluatedScene], threshold: float, min_peak: float, seen: Sequence[Mapping[str, Any]] = ()
) -> dict[Sensitivity, OperatingPoint]:
    """The operating points of some scenes, as a card has them.

    Args:
        scenes: The evaluated scenes.
        threshold: Minimum score of a ship pixel in the run.
        min_peak: Minimum peak score of a ship in the run.
        seen: Scenes that the model was trained on, as `metrics.json` has them.

    Raises:
        GeoshipsError: No labelled ship was found.
    """
    chosen = operating_points(scenes, threshold, min_peak)
    if not chosen:
        raise GeoshipsError("no operating points were chosen: no labelled ship was found; add scenes with ships")
    common: dict[str, Any] = {
        "min_iou": CURVE_IOU,
        "ships": sum(scene.comparison.labelled for scene in scenes),
        "measured_on": tuple(scene.files.name for scene in scenes),
        "seen": tuple(dict.fromkeys(entry["scene"] for entry in seen)),
    }
    return {name: OperatingPoint(**{key: point[key] for key in _STORED}, **common) for name, point in chosen.items()}
