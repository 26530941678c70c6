"""The models that come with geoships, and the choice of one for a scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from geoships.errors import BundleError, SceneError
from geoships.model.bundle_files import CARD_FILE, load_card
from geoships.model.card import Card
from geoships.scene.bands import BandChoice, BandDescription, choose_bands

BUNDLED = Path(__file__).parent / "bundled"
DEFAULT_BUNDLE = "sentinel2-5band"


def installed() -> Iterator[tuple[str, Path]]:
    """Names and bundle folders of the models that come with geoships, by name."""
    for card in sorted(BUNDLED.glob(f"*/{CARD_FILE}")):
        yield card.parent.name, card.parent


def find_bundle(where: str | Path | None) -> Path:
    """Path of a bundle.

    Args:
        where: Name of an installed model, or a folder or zip file; None: the default model.

    Raises:
        BundleError: There is no such model or path.
    """
    if where is None:
        where = DEFAULT_BUNDLE
    paths = dict(installed())
    if str(where) in paths:
        return paths[str(where)]
    path = Path(where)
    if not path.exists():
        raise BundleError(
            f"no model bundle {where}: expected a folder, a zip file or the name of an installed model "
            f"({', '.join(paths) or 'none is installed'})"
        )
    return path


@dataclass(frozen=True)
class ModelChoice:
    """The installed model that was chosen for a scene.

    Attributes:
        path: Folder of its bundle.
        why: The reason, as text for the user.
    """

    path: Path
    why: str


@dataclass(frozen=True)
class _Candidate:
    path: Path
    card: Card
    bands: BandChoice
    pixel_size: float | None

    @property
    def rank(self) -> tuple[int, int, float, bool]:
        """Sort key, best first: most bands used, fewest bands missing, nearest pixel size, the default model."""
        found = len(self.bands.names)
        return -found, len(self.card.bands) - found, self._gsd_mismatch, self.card.name != DEFAULT_BUNDLE

    @property
    def _gsd_mismatch(self) -> float:
        """Absolute log ratio of the scene's pixel size to the nearest one in the model's range."""
        if self.pixel_size is None:
            return 0.0
        low, high = self.card.gsd_range
        return abs(log(self.pixel_size / min(max(self.pixel_size, low), high)))

    @property
    def why(self) -> str:
        gsd = "" if self.pixel_size is None else f", made for {self.card.gsd:g} m"
        return f"{len(self.bands.names)} of its {len(self.card.bands)} bands are here{gsd}"


def choose_model(
    described: Sequence[BandDescription], pixel_size: float | None, override: Sequence[int | str] | None = None
) -> ModelChoice:
    """The installed model that uses most bands of a scene, lacks fewest, and is nearest in pixel size.

    Classifiers of chips are not considered.

    Args:
        described: The scene's bands.
        pixel_size: Of the scene in metres; None: not known.
        override: Bands that the user named, see `choose_bands`.

    Raises:
        SceneError: The scene lacks bands that every model needs.
        BundleError: No model for scenes is installed.
    """
    candidates, errors = [], {}
    for name, path in installed():
        card = load_card(path)
        if card.is_classifier:
            continue
        try:
            candidates.append(
                _Candidate(path, card, choose_bands(card.bands, described, override, card.optional), pixel_size)
            )
        except SceneError as error:
            errors[name] = error
    if not candidates:
        raise errors.get(DEFAULT_BUNDLE) or BundleError("no model for scenes is installed; name one with --model")
    best = min(candidates, key=lambda candidate: candidate.rank)
    return ModelChoice(best.path, best.why)
