"""A bundle judged on labelled scenes, through the pipeline that users run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.evaluation.figures import Figures, figures
from geoships.evaluation.judge_scene import JudgedScene, judge_scene
from geoships.model.bundle import Bundle, load_bundle
from geoships.scene.layers.labelled_files import PathLike, pair_files
from geoships.support.memory import use_one_arena
from geoships.support.progress import NoProgress, Progress

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True)
class Evaluation:
    """How a model does on labelled scenes.

    model: the bundle. config: the settings. scenes: what was found in each beside what is there.
    """

    model: Bundle
    config: PredictConfig
    scenes: tuple[JudgedScene, ...]

    @property
    def threshold(self) -> float:
        """Score from which on a pixel was ship."""
        return self.config.threshold or self.model.card.threshold

    @cached_property
    def figures(self) -> Figures:
        """All figures, as plain values for JSON; None where one has no meaning (no ship, say)."""
        return figures(self.scenes, self.model, self.config, self.threshold)


def evaluate(
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    *,
    ignore: Sequence[PathLike] = (),
    land: Sequence[PathLike] = (),
    thresholds: Sequence[float] = THRESHOLDS,
    config: PredictConfig | None = None,
    model: Bundle | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a model on labelled scenes; each scene runs through it once.

    scenes, labels, ignore, land: files, folders or patterns, paired by their stems; see `pair_files`.
    thresholds: scores from 0 to 1, of the curves; the model's own is always among them.
    config, model, progress: as for `geoships.predict`; there is no area of interest.

    Raises GeoshipsError with one clear line, also for scenes without labels.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    if config.area is not None:
        raise GeoshipsError("evaluation looks at whole scenes: leave out the area, and name an ignore layer instead")
    pairs = pair_files(scenes, labels, ignore, land)
    bundle = model or load_bundle(config.model)
    use_one_arena()
    steps = sorted(set(thresholds))
    return Evaluation(
        bundle,
        config,
        tuple(judge_scene(files, steps, config=config, model=bundle, progress=progress) for files in pairs),
    )
