"""Verification of ships: a classifier scores the chip around each one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import run
from geoships.model.engines.choose import EngineChoice
from geoships.model.engines.device import choose_batch_size
from geoships.model.engines.opened import OPEN_ENGINES
from geoships.model.inputs import prepare_samples
from geoships.output.ship_filter import DetectedShip
from geoships.scene.reader import Scene
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.tiling.resample import Ratio, scale_of
from geoships.scene.tiling.windows import Window, source_window, window_around

VIEWS: Literal[8] = 8  # test-time augmentation: rotations and mirror images of a chip whose mean is its score


def choose_verifier(bundle: Bundle, verify: bool | None) -> Bundle | None:
    """The verifier to use with a model; None: do not verify.

    Args:
        bundle: The model.
        verify: Whether to verify ships; None: the default of the model's card.

    Raises:
        BundleError: Ships are to be verified and the model has no verifier.
    """
    enabled = bundle.card.verify if verify is None else verify
    if enabled and bundle.verifier is None:
        raise BundleError(f"{bundle.card.name} has no verifier: leave out --verify, or choose another model")
    return bundle.verifier if enabled else None


def with_verifier(model: Bundle, classifier: Bundle, *, default: bool, threshold: float | None = None) -> Bundle:
    """Add a verifier to a model.

    Args:
        model: The model that finds ships.
        classifier: The verifier: a classifier of chips.
        default: Whether ships are verified by default.
        threshold: Minimum score of a verified ship, between 0 and 1; None: the classifier's own.

    Returns:
        A copy of the model with the verifier.

    Raises:
        BundleError: The two do not fit together, or the threshold is not between 0 and 1.
    """
    card = classifier.card
    if threshold is not None:
        if not 0 < threshold < 1:
            raise BundleError(f"expected a threshold between 0 and 1, got {threshold:g}")
        card = card.model_copy(update={"threshold": threshold})
    model_card = model.card.model_copy(update={"verify": default})
    return replace(model, card=model_card, verifier=replace(classifier, card=card))


class Verifier:
    """Scores the ships of one scene, each once, and drops those below its threshold.

    Args:
        bundle: The classifier.
        scene: The open scene, with all bands of the classifier that it has.
        pixel_size: Width and height of a scene pixel in metres.
        engine: Engine and precision.
        batch_size: Number of chips in a batch; None: chosen for the device.
    """

    def __init__(
        self,
        bundle: Bundle,
        scene: Scene,
        pixel_size: tuple[float, float],
        *,
        engine: EngineChoice,
        batch_size: int | None = None,
    ) -> None:
        card = bundle.card
        self.bundle, self._scene = bundle, scene
        self._engine_choice, self._batch_size = engine, batch_size
        _, _, rows, columns = card.input.input.shape
        across, down = (scale_of(size, card.gsd, card.gsd_range) for size in pixel_size)
        # rows and columns of a chip in scene pixels
        self._shape = max(1, round(rows / down)), max(1, round(columns / across))
        self._ratios = Ratio(rows, self._shape[0]), Ratio(columns, self._shape[1])
        self._scores: dict[Window, float] = {}

    def verify(self, ships: Sequence[DetectedShip]) -> list[DetectedShip]:
        """Score ships and keep those with at least the threshold.

        Args:
            ships: Ships of the scene.

        Returns:
            The verified ships with their score as `class_prob`, in their order.
        """
        windows = [self._chip_window(ship) for ship in ships]
        self._score_chips([window for window in dict.fromkeys(windows) if window not in self._scores])
        scores = [self._scores[window] for window in windows]
        return [
            replace(ship, class_prob=score)
            for ship, score in zip(ships, scores, strict=True)
            if score >= self.bundle.card.threshold
        ]

    def _chip_window(self, ship: DetectedShip) -> Window:
        left, top, right, bottom = ship.polygon.bounds
        return window_around((left + right) / 2, (top + bottom) / 2, self._shape)

    def _score_chips(self, windows: Sequence[Window]) -> None:
        """Score the chips of windows, in batches, into `_scores`."""
        if not windows:
            return
        chips = prepare_samples(
            self._read_chips(windows),
            self.bundle.card,
            self._scene.wanted,
            south_up=self._scene.georeference.south_up,
        )
        _, _, rows, columns = self.bundle.card.input.input.shape
        choice = self._engine_choice
        size = self._batch_size or choose_batch_size(choice.device, rows * columns)
        with OPEN_ENGINES.use(choice, self.bundle, batch_size=size, views=VIEWS) as engine:
            for sample, score in run(engine, chips):
                self._scores[Window(*sample["window"].tolist())] = float(score)

    def _read_chips(self, windows: Sequence[Window]) -> Iterator[Sample]:
        """Read the chips of windows and decode each block of the file once."""
        sources = [source_window(window, self._scene.window) for window in windows]
        with self._scene.cache(sources) as cache:
            reader = TileReader(self._scene, ratios=self._ratios, fetch=cache.fetch)
            for window, source in zip(windows, sources, strict=True):
                yield reader.read(window)
                cache.release(source)
