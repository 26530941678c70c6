"""Scenes of an evaluation that the model was trained on: figures on them do not judge the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.model.card import Card
from geoships.scene.place import overlap, place_of


@dataclass(frozen=True)
class SeenScene:
    """A scene that a model was trained on, or that lies where the model was trained.

    Attributes:
        scene: Name of the scene.
        model: Name of the model, or of its verifier.
        trained_as: Name of the scene or group in the model's card.
        by: What they share: their name, or their place.
    """

    scene: str
    model: str
    trained_as: str
    by: Literal["name", "place"]


def seen_scenes(scenes: Sequence[EvaluatedScene], cards: Sequence[Card]) -> list[SeenScene]:
    """Find the scenes that models were trained on.

    Args:
        scenes: The evaluated scenes.
        cards: Cards of the model and of its verifier.

    Returns:
        At most one entry for each scene and card: by the name, else by the place.
    """
    found = (_seen(scene, card) for card in cards for scene in scenes)
    return [seen for seen in found if seen]


def seen_text(seen: Sequence[SeenScene], scenes: int) -> str:
    """One sentence on the scenes that a model was trained on.

    Args:
        seen: The scenes, at least one.
        scenes: Number of all evaluated scenes.
    """
    shared = {
        entry.scene: entry.scene if entry.by == "name" else f"{entry.scene} (the place of {entry.trained_as})"
        for entry in seen
    }
    models = list(dict.fromkeys(entry.model for entry in seen))
    return (
        f"{' and '.join(models)} {'was' if len(models) == 1 else 'were'} trained on {len(shared)} of {scenes} "
        f"scene{'' if scenes == 1 else 's'}: {', '.join(shared.values())}; the figures are not a judgement of how well "
        "ships are found in new scenes"
    )


def seen_figures(seen: Sequence[SeenScene], scenes: int, *, allowed: bool) -> dict[str, Any]:
    """What metrics.json says of the scenes that a model was trained on.

    Args:
        seen: The scenes.
        scenes: Number of all evaluated scenes.
        allowed: Whether they are only noted.

    Returns:
        `seen`: the scenes; `warnings` and `notes`: sentences on them. There is a warning where the figures do not judge
        the model.
    """
    text = [seen_text(seen, scenes)] if seen else []
    return {
        "seen": [asdict(entry) for entry in seen],
        "warnings": [] if allowed else text,
        "notes": text if allowed else [],
    }


def same_name(scene: str, trained: str) -> bool:
    """Whether a scene has the name of a scene in training, or that name with a date or a number.

    >>> same_name("Busan", "busan"), same_name("busan_20240301", "busan"), same_name("part-10", "part-1")
    (True, True, False)
    """
    return re.fullmatch(rf"{re.escape(trained)}([_\-. ]\d.*)?", scene, re.IGNORECASE) is not None


def _seen(scene: EvaluatedScene, card: Card) -> SeenScene | None:
    name = scene.files.name
    for trained in sorted(card.trained_on, key=len, reverse=True):  # the closest name of several
        if same_name(name, trained):
            return SeenScene(name, card.name, trained, "name")
    here = place_of(scene.georeference) if card.trained_places else None
    if here is None:
        return None
    for trained, place in card.trained_places.items():
        if overlap(here, place):
            return SeenScene(name, card.name, trained, "place")
    return None
