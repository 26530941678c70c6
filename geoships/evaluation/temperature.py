"""Store a fitted temperature in a bundle."""

from __future__ import annotations

from dataclasses import replace

from scipy.special import expit, logit

from geoships.errors import GeoshipsError
from geoships.evaluation.evaluation import Evaluation
from geoships.model.bundle import save_bundle
from geoships.model.card import Card, OperatingPoint
from geoships.model.engines.graph_maker import with_graph


def store_temperature(evaluation: Evaluation) -> Card:
    """Store the temperature that an evaluation has fitted in its bundle.

    Args:
        evaluation: The evaluation; its bundle is overwritten.

    Returns:
        The new card.

    Raises:
        GeoshipsError: Where no temperature was fitted.
        BundleError: Where the bundle cannot be written, or its model finds several classes.
    """
    evaluation.model.require_one_class("a temperature is")
    calibration = evaluation.figures["calibration"]
    if calibration is None:
        raise GeoshipsError(
            "no temperature was fitted: the scenes do not have both ship pixels and water pixels; add scenes"
        )
    bundle = evaluation.model
    card = tempered_card(bundle.card, calibration["temperature"])
    tempered = with_graph(replace(bundle, card=card))
    save_bundle(
        bundle.path, card, bundle.weights, half=False, verifier=tempered.verifier, screen=bundle.screen,
        graph=tempered.graph,
    )  # fmt: skip
    return card


def tempered_card(card: Card, temperature: float) -> Card:
    """Multiply the temperature of a card.

    Args:
        card: The card.
        temperature: Factor of the temperature that the card has.

    Returns:
        A card with the new temperature, and with the threshold and the minimum peak score, its own and those of its
        operating points, that select the same pixels as before.
    """
    return card.model_copy(
        update={
            "temperature": card.temperature * temperature,
            **_moved(card, temperature),
            "operating_points": {
                name: point.model_copy(update=_moved(point, temperature))
                for name, point in card.operating_points.items()
            },
        }
    )


def _moved(scores: Card | OperatingPoint, temperature: float) -> dict[str, float]:
    """Threshold and minimum peak score after logits are divided by a temperature."""
    return {name: float(expit(logit(getattr(scores, name)) / temperature)) for name in ("threshold", "min_peak")}
