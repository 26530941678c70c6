"""Store the operating points of an evaluation in a bundle."""

from __future__ import annotations

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluate_scene import CURVE_IOU
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.operating_points import operating_points
from geoships.model.bundle import save_bundle
from geoships.model.card import Card, OperatingPoint

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
        BundleError: Where the bundle cannot be written.
    """
    figures, bundle = evaluation.figures, evaluation.model
    chosen = operating_points(evaluation.scenes, evaluation.threshold, evaluation.min_peak)
    if not chosen:
        raise GeoshipsError("no operating points were chosen: no labelled ship was found; add scenes with ships")
    if figures["warnings"]:
        raise GeoshipsError(
            f"the operating points are not stored: {figures['warnings'][0]}; evaluate other scenes, or allow these "
            "(--allow-seen)"
        )
    common = {
        "min_iou": CURVE_IOU,
        "ships": figures["all"]["ships"]["touched"]["labelled"],
        "measured_on": tuple(figures["scenes"]),
        "seen": tuple(dict.fromkeys(entry["scene"] for entry in figures["seen"])),
    }
    points = {name: OperatingPoint(**{key: point[key] for key in _STORED}, **common) for name, point in chosen.items()}
    card = bundle.card.model_copy(update={"operating_points": points})
    save_bundle(
        bundle.path, card, bundle.weights, half=False, verifier=bundle.verifier, int8=bundle.int8, screen=bundle.screen
    )
    return card
