"""What a worker process does with a scene: paths come in, a summary goes out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache

from geoships.cluster.attempt import attempt
from geoships.cluster.blocks import Blocks
from geoships.cluster.decide import Expected
from geoships.cluster.outcomes import Outcome
from geoships.config import PredictConfig
from geoships.model.bundle import Bundle, load_bundle
from geoships.model.engines.choose import EngineCache
from geoships.pipeline.jobs import SceneJob
from geoships.scene.opening.names import title_of
from geoships.support.transform_warning import without_transform_warning
from geoships.support.workers import Begun, Tell

INTERVAL = 0.2  # s between two messages about finished pixels


@dataclass(frozen=True)
class Setup:
    """What all scenes of a run share.

    Attributes:
        expected: What the run makes.
        config: Settings.
        blocks: How a large scene is cut into blocks.
    """

    expected: Expected
    config: PredictConfig
    blocks: Blocks = field(default_factory=Blocks)


def run_scene(setup: Setup, job: SceneJob, device: str, tell: Tell) -> Outcome:
    """Compute a scene in a worker process.

    Args:
        setup: What all scenes share.
        job: The scene.
        device: That computes.
        tell: Hears `Begun` when the model is loaded, then numbers of finished pixels, and warnings as text.
    """
    model = bundle(setup.config.model) if setup.config.model else None
    tell(Begun())
    config = setup.config.model_copy(update={"device": device})
    with without_transform_warning():
        return attempt(
            job, setup.expected, config, _Teller(title_of(str(job.scene)), tell), model, setup.blocks, engines()
        )


@cache
def bundle(name: str) -> Bundle:
    """The bundle of this name, which a process loads once."""
    return load_bundle(name)


@cache
def engines() -> EngineCache:
    """What a process keeps open from one scene to the next: one engine, so that it needs no more memory for that."""
    return EngineCache(most=1)


class _Teller:
    """Progress of a scene as messages to another process."""

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._pixels, self._told = 0, time.monotonic()

    def start(self, name: str, pixels: int) -> None:
        """Do nothing: the other process knows the scene."""

    def advance(self, pixels: int) -> None:
        """Tell of finished pixels, not too often."""
        self._pixels += pixels
        if time.monotonic() - self._told >= INTERVAL:
            self._tell(self._pixels)
            self._pixels, self._told = 0, time.monotonic()

    def warn(self, text: str) -> None:
        """Tell of a warning, with the scene's name."""
        self._tell(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        """Do nothing: scenes of one run mostly say the same."""

    def detail(self, text: str) -> None:
        """Do nothing."""
