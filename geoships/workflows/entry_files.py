"""The files of scenes in a training's settings, as commands that take labelled scenes want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoships.config import PredictConfig
from geoships.config.segmentation import Data, SceneFiles
from geoships.errors import GeoshipsError
from geoships.scene.opening.names import is_remote
from geoships.training.labelled_scenes import below


@dataclass(frozen=True)
class EntryFiles:
    """Labelled scenes that are read alike.

    Attributes:
        scenes: Paths and URLs of the scenes.
        labels: Their labels.
        ignore: Areas without labels, of those that have some.
        reading: bands, scale, offset and sensor, as in `PredictConfig`.
    """

    scenes: tuple[str, ...]
    labels: tuple[Path, ...]
    ignore: tuple[Path, ...]
    reading: dict[str, object]

    def config(self, config: PredictConfig) -> PredictConfig:
        """Settings with the bands, scale, offset and sensor of these scenes."""
        return config.model_copy(update=self.reading)


def files_of(data: Data, entries: Sequence[SceneFiles]) -> EntryFiles:
    """The files of some scenes of a training's settings.

    Args:
        data: Data settings of the training.
        entries: Scenes with their labels.

    Raises:
        GeoshipsError: They differ in bands, scale, offset or sensor.
    """
    read_settings = {(entry.bands, entry.scale, entry.offset, entry.sensor) for entry in entries}
    if len(read_settings) > 1:
        raise GeoshipsError("scenes of one fold differ in bands, scale, offset or sensor; put them in different folds")
    names = ("bands", "scale", "offset", "sensor")
    reading: dict[str, object] = dict(zip(names, read_settings.pop(), strict=True))
    root = data.root
    return EntryFiles(
        tuple(entry.scene if is_remote(entry.scene) else str(below(root, entry.scene)) for entry in entries),
        tuple(below(root, entry.labels) for entry in entries),
        tuple(below(root, entry.ignore) for entry in entries if entry.ignore),
        reading,
    )
