"""Labels made of corrections: what `geoships train` and `geoships evaluate` read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from geoships.service.features import Feature, Ships, reviewed
from geoships.service.jobs import Correction, Verdict

CERTAIN = (Verdict.accepted.value, Verdict.drawn.value)


def label_features(ships: Ships, corrections: Sequence[Correction], layer: Literal["ships", "ignore"]) -> list[Feature]:
    """Features of a label file.

    A ship that was accepted or drawn is a label, with the outline that a person gave it. One of which nobody has said
    anything is neither right nor wrong: it belongs to the layer to ignore. A rejected one is background.

    Args:
        ships: The ships as detected.
        corrections: What people said.
        layer: Which of the two layers.
    """
    found = [each for each in reviewed(ships, corrections).features if each["geometry"]]
    return [each for each in found if (each["properties"]["verdict"] in CERTAIN) == (layer == "ships")]
