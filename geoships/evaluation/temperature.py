"""Store a fitted temperature in a bundle."""

from __future__ import annotations

from scipy.special import expit, logit

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluation import Evaluation
from geoships.model.bundle import save_bundle
from geoships.model.card import Card


def store_temperature(evaluation: Evaluation) -> Card:
    """Store the temperature that an evaluation has fitted in its bundle.

    Args:
        evaluation: The evaluation; its bundle is overwritten.

    Returns:
        The new card.

    Raises:
        GeoshipsError: Where no temperature was fitted.
        BundleError: Where the bundle cannot be written.
    """
    calibration = evaluation.figures["calibration"]
    if calibration is None:
        raise GeoshipsError(
            "no temperature was fitted: the scenes do not have both ship pixels and water pixels; add scenes"
        )
    bundle = evaluation.model
    card = tempered_card(bundle.card, calibration["temperature"])
    save_bundle(bundle.path, card, bundle.weights, half=False, verifier=bundle.verifier, screen=bundle.screen)
    return card


def tempered_card(card: Card, temperature: float) -> Card:
    """Multiply the temperature of a card.

    Args:
        card: The card.
        temperature: Factor of the temperature that the card has.

    Returns:
        A card with the new temperature, and with the threshold and the minimum peak score that select the same pixels
        as before.
    """
    threshold, min_peak = (float(expit(logit(score) / temperature)) for score in (card.threshold, card.min_peak))
    moved = {"temperature": card.temperature * temperature, "threshold": threshold, "min_peak": min_peak}
    return card.model_copy(update=moved)
