"""Which installed model suits a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from geoships.errors import BundleError, SceneError
from geoships.model.bundle import DEFAULT_BUNDLE, installed, load_card
from geoships.model.card import Card
from geoships.scene.bands import BandChoice, BandDescription, choose_bands


@dataclass(frozen=True)
class ModelChoice:
    """An installed model for a scene. path: of its bundle. why: for people."""

    path: Path
    why: str


@dataclass(frozen=True)
class _Candidate:
    path: Path
    card: Card
    bands: BandChoice
    pixel_size: float | None

    @property
    def order(self) -> tuple[int, int, float, bool]:
        """Less is better: bands of the scene left unused, bands of the model missing, pixel size, not the default."""
        found = len(self.bands.names)
        return -found, len(self.card.bands) - found, self._off_scale, self.card.name != DEFAULT_BUNDLE

    @property
    def _off_scale(self) -> float:
        if self.pixel_size is None:
            return 0.0
        low, high = self.card.gsd_range
        return abs(log(self.pixel_size / min(max(self.pixel_size, low), high)))

    @property
    def why(self) -> str:
        size = "" if self.pixel_size is None else f", made for {self.card.gsd:g} m"
        return f"{len(self.bands.names)} of its {len(self.card.bands)} bands are here{size}"


def choose_model(
    described: Sequence[BandDescription], pixel_size: float | None, override: Sequence[int | str] | None = None
) -> ModelChoice:
    """The installed model that uses most bands of a scene, lacks fewest, and is nearest in pixel size.

    described: the scene's bands. pixel_size: in metres, None where it is not known. override: bands that the user
    named, see `choose_bands`. Raises SceneError where the scene has not the bands of any model.
    """
    fits, faults = [], {}
    for name, path in installed():
        card = load_card(path)
        if card.is_classifier:
            continue
        try:
            fits.append(
                _Candidate(path, card, choose_bands(card.bands, described, override, card.optional), pixel_size)
            )
        except SceneError as error:
            faults[name] = error
    if not fits:
        raise faults.get(DEFAULT_BUNDLE) or BundleError("no model for scenes is installed; name one with --model")
    best = min(fits, key=lambda fit: fit.order)
    return ModelChoice(best.path, best.why)
