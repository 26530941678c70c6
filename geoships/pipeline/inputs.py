"""What a program hands to a run: a scene in any form, and settings as keywords, a dict or a `PredictConfig`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoships.config import PredictConfig
from geoships.config.predict import merged_config
from geoships.errors import GeoshipsError
from geoships.model.bundle import Bundle
from geoships.pipeline.scene_run import Layers
from geoships.scene.layers.area import NAME as AREA
from geoships.scene.layers.land import NAME as LAND
from geoships.scene.layers.vector_file import vector_layer
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.given import Placement, take_scene
from geoships.scene.opening.memory_scene import MemoryScene

if TYPE_CHECKING:
    from geoships.scene.layers.vector_file import VectorLayer
    from geoships.scene.opening.given import SceneLike

ConfigLike = PredictConfig | Mapping[str, Any]
ModelLike = str | os.PathLike[str] | Bundle
_LAYERS = {"area": AREA, "land": LAND}


@dataclass(frozen=True)
class RunInputs:
    """A scene and all that is wanted of its run.

    Attributes:
        scene: what `SceneFile` takes.
        config: the settings.
        model: a loaded bundle; None: that of the settings.
        layers: area and land.

    """

    scene: SceneName | MemoryScene
    config: PredictConfig
    model: Bundle | None
    layers: Layers


@contextmanager
def run_inputs(
    scene: SceneLike,
    config: ConfigLike | None,
    model: ModelLike | None,
    placement: Placement,
    options: Mapping[str, Any],
) -> Iterator[RunInputs]:
    """Bring what a program hands over into one form; an array is freed when the block ends.

    Args:
        scene: in any form, see `take_scene`.
        config: settings.
        model: a bundle, or where it is.
        placement: what an array does not say of itself.
        options: single settings, which replace those of `config`.

    Raises:
        GeoshipsError: with one line that says what is wrong.

    """
    given = {**config, **_stated(options)} if isinstance(config, Mapping) else _stated(options)
    base = config if not isinstance(config, Mapping) else None
    tables: dict[str, VectorLayer] = {}
    for name in _LAYERS.keys() & given.keys():
        layer = None if given[name] is None else vector_layer(given[name], _LAYERS[name])
        if not isinstance(layer, os.PathLike | None):
            tables[name] = layer
            given[name] = None
    loaded = model if isinstance(model, Bundle) else None
    if not isinstance(model, str | os.PathLike | Bundle | None):
        raise GeoshipsError(f"model=: expected a name, a path or a bundle, got {type(model).__name__}")
    if isinstance(model, str | os.PathLike):
        given["model"] = os.fspath(model)
    settings = merged_config(base, given)
    taken, bands = take_scene(scene, placement, settings.bands)
    try:
        yield RunInputs(
            taken,
            settings if bands is settings.bands else settings.model_copy(update={"bands": bands}),
            loaded,
            Layers(tables.get("area", settings.area), tables.get("land", settings.land)),
        )
    finally:
        if isinstance(taken, MemoryScene):
            taken.close()


def _stated(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
