"""A second look at every found ship: a classifier scores the chip around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine, run
from geoships.model.engines.choose import EngineChoice
from geoships.model.engines.device import choose_batch_size
from geoships.model.inputs import prepare_samples
from geoships.output.ship_filter import KeptShip
from geoships.scene.reader import Scene
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.tiling.resample import Ratio, scale_of
from geoships.scene.tiling.windows import Window, source_window, window_around

VIEWS: Literal[8] = 8  # ways to turn and mirror a chip, over which its score is the mean


def choose_verifier(bundle: Bundle, verify: bool | None) -> Bundle | None:
    """The classifier that looks again at what a model finds; None for none.

    verify: whether one is wanted; None: as the model's card says. Raises BundleError where it is and there is none.
    """
    wanted = bundle.card.verify if verify is None else verify
    if wanted and bundle.verifier is None:
        raise BundleError(f"{bundle.card.name} has no verifier: leave out --verify, or choose another model")
    return bundle.verifier if wanted else None


def with_verifier(model: Bundle, classifier: Bundle, *, default: bool, threshold: float | None = None) -> Bundle:
    """A model with a classifier that looks again at what it finds.

    default: whether it does so where the user says nothing. threshold: score from 0 to 1 from which on it keeps a ship;
    None: its own. Raises BundleError where the two do not fit.
    """
    card = classifier.card
    if threshold is not None:
        if not 0 < threshold < 1:
            raise BundleError(f"the threshold {threshold:g} is not between 0 and 1")
        card = card.model_copy(update={"threshold": threshold})
    outer = model.card.model_copy(update={"verify": default})
    return replace(model, card=outer, verifier=replace(classifier, card=card))


class Verifier:
    """Scores the found ships of one scene, each once, and drops those below its threshold.

    bundle: the classifier. scene: opened with all of the classifier's bands that it has. pixel_size: metres (across
    columns, down rows). engine: what computes. batch_size: chips in a batch; None: chosen for the device.
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
        self._choice, self._batch_size = engine, batch_size
        _, _, rows, columns = card.input.input.shape
        across, down = (scale_of(size, card.gsd, card.gsd_range) for size in pixel_size)
        self._shape = max(1, round(rows / down)), max(1, round(columns / across))  # of a chip in scene pixels
        self._ratios = Ratio(rows, self._shape[0]), Ratio(columns, self._shape[1])
        self._scores: dict[Window, float] = {}

    def verify(self, ships: Sequence[KeptShip]) -> list[KeptShip]:
        """The ships whose score is at least the threshold, with it as `class_prob`, in their order."""
        windows = [self._window(ship) for ship in ships]
        self._look_at([window for window in dict.fromkeys(windows) if window not in self._scores])
        scores = [self._scores[window] for window in windows]
        return [
            replace(ship, class_prob=score)
            for ship, score in zip(ships, scores, strict=True)
            if score >= self.bundle.card.threshold
        ]

    def _window(self, ship: KeptShip) -> Window:
        left, top, right, bottom = ship.polygon.bounds
        return window_around((left + right) / 2, (top + bottom) / 2, self._shape)

    def _look_at(self, windows: Sequence[Window]) -> None:
        """Score the chips of some windows, a batch at a time."""
        if not windows:
            return
        chips = prepare_samples(
            self._chips(windows),
            self.bundle.card,
            self._scene.wanted,
            south_up=self._scene.georeference.south_up,
        )
        for sample, score in run(self._engine, chips):
            self._scores[Window(*sample["window"].tolist())] = float(score)

    def _chips(self, windows: Sequence[Window]) -> Iterator[Sample]:
        """Read the chips, decoding each block of the file once."""
        sources = [source_window(window, self._scene.window) for window in windows]
        with self._scene.cache(sources) as cache:
            reader = TileReader(self._scene, ratios=self._ratios, fetch=cache.fetch)
            for window, source in zip(windows, sources, strict=True):
                yield reader.read(window)
                cache.release(source)

    @cached_property
    def _engine(self) -> Engine:
        _, _, rows, columns = self.bundle.card.input.input.shape
        batch_size = self._batch_size or choose_batch_size(self._choice.device, rows * columns)
        return self._choice.open(self.bundle, batch_size=batch_size, views=VIEWS)
