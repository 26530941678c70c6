"""Evaluate a bundle on labelled scenes, through the pipeline of `geoships.predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.evaluation.class_figures import class_figures
from geoships.evaluation.evaluate_scene import EvaluatedScene, evaluate_scene
from geoships.evaluation.figures import Figures, figures
from geoships.evaluation.seen import SeenScene, seen_figures, seen_scenes
from geoships.model.bundle import Bundle, load_bundle
from geoships.pipeline.scene_run import min_peak_of, threshold_of, thresholds_of
from geoships.pipeline.verify import choose_verifier
from geoships.scene.layers.labelled_files import PathLike, pair_files
from geoships.support.memory import use_one_arena
from geoships.support.progress import NoProgress, Progress

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on labelled scenes.

    Attributes:
        model: The bundle.
        config: The settings of the prediction.
        scenes: Predicted and labelled ships of each scene; of several classes, those of the first.
        allow_seen: Whether scenes that the model was trained on are only noted, not warned of.
        others: Of several classes: the scenes once more for each of the other classes.
    """

    model: Bundle
    config: PredictConfig
    scenes: tuple[EvaluatedScene, ...]
    allow_seen: bool = False
    others: tuple[tuple[EvaluatedScene, ...], ...] = ()

    @property
    def by_class(self) -> dict[str, tuple[EvaluatedScene, ...]]:
        """The scenes for each class, by its name."""
        names = (found.name for found in self.model.card.classes)
        return dict(zip(names, (self.scenes, *self.others), strict=False))

    @property
    def threshold(self) -> float:
        """Minimum score of a ship pixel, 0 to 1."""
        return threshold_of(self.config, self.model.card)

    @property
    def min_peak(self) -> float:
        """Minimum peak score of a ship, 0 to 1."""
        return min_peak_of(self.config, self.model.card)

    @cached_property
    def seen(self) -> tuple[SeenScene, ...]:
        """The scenes that the model, or the verifier that is used, was trained on."""
        verifier = choose_verifier(self.model, self.config.verify)
        cards = [self.model.card, *([verifier.card] if verifier else [])]
        return tuple(seen_scenes(self.scenes, cards))

    @cached_property
    def figures(self) -> Figures:
        """All metrics, as plain values for JSON; None where one is undefined (recall without ships, say)."""
        seen = seen_figures(self.seen, len(self.scenes), allowed=self.allow_seen)
        if self.model.card.several:
            thresholds = thresholds_of(self.config, self.model.card)
            own = class_figures(self.by_class, self.model, self.config, thresholds, self.min_peak)
        else:
            own = figures(self.scenes, self.model, self.config, self.threshold, self.min_peak)
        return {**seen, **own, "notes": [*seen["notes"], *own["notes"]]}


def evaluate(
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    *,
    ignore: Sequence[PathLike] = (),
    land: Sequence[PathLike] = (),
    thresholds: Sequence[float] = THRESHOLDS,
    config: PredictConfig | None = None,
    model: Bundle | None = None,
    allow_seen: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on labelled scenes. Each scene runs through the model once.

    Args:
        scenes: Files, folders or glob patterns of scenes.
        labels: Files, folders or glob patterns of labels, paired with the scenes by their stems; see `pair_files`.
        ignore: Ignore layers, likewise: parts of the scenes that have no labels.
        land: Land layers, likewise, for distances to land.
        thresholds: Scores from 0 to 1 at which the curves are computed; the threshold of the run is added.
        config: Settings as for `geoships.predict`, without an area of interest; scenes have to be readable throughout.
        model: The bundle; by default the one that `config` names.
        allow_seen: Only note scenes that the model was trained on, instead of a warning that the figures do not judge
            the model.
        progress: Reports the progress.

    Returns:
        The evaluation.

    Raises:
        GeoshipsError: For an area of interest, scenes without labels, labels of another place, and files that cannot be
            read.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    if config.area is not None:
        raise GeoshipsError("evaluation needs whole scenes: leave out the area, and give an ignore layer instead")
    config = config.model_copy(update={"on_error": "fail"})  # ships in a part that is skipped would count as missed
    pairs = pair_files(scenes, labels, ignore, land)
    bundle = model or load_bundle(config.model)
    use_one_arena()
    steps = sorted(set(thresholds))
    judged = [evaluate_scene(files, steps, config=config, model=bundle, progress=progress) for files in pairs]
    first, *others = zip(*judged, strict=True)
    return Evaluation(bundle, config, first, allow_seen, tuple(others))
