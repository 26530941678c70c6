"""A fitted temperature goes into a bundle."""

from __future__ import annotations

from scipy.special import expit, logit

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluation import Evaluation
from geoships.model.bundle import save_bundle
from geoships.model.card import Card


def store_temperature(evaluation: Evaluation) -> Card:
    """Write the temperature that an evaluation has fitted into its bundle's card, and return the card.

    Raises GeoshipsError where none was fitted, and BundleError where the bundle cannot be written.
    """
    calibration = evaluation.figures["calibration"]
    if calibration is None:
        raise GeoshipsError("no temperature was fitted: the scenes do not hold both ships and water")
    bundle = evaluation.model
    card = tempered_card(bundle.card, calibration["temperature"])
    save_bundle(bundle.path, card, bundle.weights, half=False, verifier=bundle.verifier, screen=bundle.screen)
    return card


def tempered_card(card: Card, temperature: float) -> Card:
    """A card whose model divides its logits by `temperature` on top of what it did.

    Threshold and least peak move along, so that the same pixels are ship as before.
    """
    threshold, min_peak = (float(expit(logit(score) / temperature)) for score in (card.threshold, card.min_peak))
    moved = {"temperature": card.temperature * temperature, "threshold": threshold, "min_peak": min_peak}
    return card.model_copy(update=moved)
