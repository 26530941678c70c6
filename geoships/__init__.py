"""Finds ships in satellite scenes of any size.

>>> from geoships import predict
>>> result = predict("scene.tif", out="ships.geojson")  # doctest: +SKIP
>>> len(result.ships)  # doctest: +SKIP
27

Importing this package loads neither torch nor GDAL; the names below load what they need on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geoships.errors import BundleError, DeviceError, GeoshipsError, OutputError, SceneError

if TYPE_CHECKING:
    from geoships.ais.match import AisMatch, match_ais
    from geoships.ais.settings import MatchSettings
    from geoships.config import PredictConfig
    from geoships.config.watch import WatchConfig
    from geoships.model.bundle import Bundle, load_bundle
    from geoships.model.classify import classify
    from geoships.motion.measure import MeasuredMotion, measure_motion
    from geoships.motion.settings import MotionSettings
    from geoships.pipeline.batch import BatchResult, SceneFailure, SceneJob, plan_outputs, predict_many
    from geoships.pipeline.predict import Prediction, ScoredPrediction, predict
    from geoships.pipeline.stitch import stitch
    from geoships.places.convert import Join, Selection, select_ships, write_as
    from geoships.places.fixed import FixedPlaces, find_fixed
    from geoships.places.over_time import OverTime, passes_over_time
    from geoships.places.settings import FixedSettings
    from geoships.places.tracks import ship_tracks
    from geoships.scene.opening.band_files import band_files
    from geoships.scene.reader import Scene, open_scene
    from geoships.scene.tiling.windows import TilePlan, Window, plan_axis
    from geoships.scene.torchgeo import SceneDataset, TileSampler
    from geoships.service.client import Client
    from geoships.watch.sources import FolderSource, StacSource
    from geoships.watch.watch import Watch, WatchRound

__version__ = "0.1.0"

__all__ = [
    "AisMatch",
    "BatchResult",
    "Bundle",
    "BundleError",
    "Client",
    "DeviceError",
    "FixedPlaces",
    "FixedSettings",
    "FolderSource",
    "GeoshipsError",
    "Join",
    "MatchSettings",
    "MeasuredMotion",
    "MotionSettings",
    "OutputError",
    "OverTime",
    "PredictConfig",
    "Prediction",
    "Scene",
    "SceneDataset",
    "SceneError",
    "SceneFailure",
    "SceneJob",
    "ScoredPrediction",
    "Selection",
    "StacSource",
    "TilePlan",
    "TileSampler",
    "Watch",
    "WatchConfig",
    "WatchRound",
    "Window",
    "__version__",
    "band_files",
    "classify",
    "find_fixed",
    "load_bundle",
    "match_ais",
    "measure_motion",
    "open_scene",
    "passes_over_time",
    "plan_axis",
    "plan_outputs",
    "predict",
    "predict_many",
    "select_ships",
    "ship_tracks",
    "stitch",
    "write_as",
]

_HOMES = {
    "AisMatch": "geoships.ais.match",
    "BatchResult": "geoships.pipeline.batch",
    "Bundle": "geoships.model.bundle",
    "Client": "geoships.service.client",
    "FolderSource": "geoships.watch.sources",
    "FixedPlaces": "geoships.places.fixed",
    "FixedSettings": "geoships.places.settings",
    "Join": "geoships.places.convert",
    "MatchSettings": "geoships.ais.settings",
    "MeasuredMotion": "geoships.motion.measure",
    "MotionSettings": "geoships.motion.settings",
    "OverTime": "geoships.places.over_time",
    "PredictConfig": "geoships.config",
    "Prediction": "geoships.pipeline.predict",
    "Scene": "geoships.scene.reader",
    "SceneDataset": "geoships.scene.torchgeo",
    "SceneFailure": "geoships.pipeline.batch",
    "SceneJob": "geoships.pipeline.batch",
    "Selection": "geoships.places.convert",
    "ScoredPrediction": "geoships.pipeline.predict",
    "StacSource": "geoships.watch.sources",
    "TilePlan": "geoships.scene.tiling.windows",
    "TileSampler": "geoships.scene.torchgeo",
    "Watch": "geoships.watch.watch",
    "WatchConfig": "geoships.config.watch",
    "WatchRound": "geoships.watch.watch",
    "Window": "geoships.scene.tiling.windows",
    "band_files": "geoships.scene.opening.band_files",
    "classify": "geoships.model.classify",
    "find_fixed": "geoships.places.fixed",
    "load_bundle": "geoships.model.bundle",
    "match_ais": "geoships.ais.match",
    "measure_motion": "geoships.motion.measure",
    "open_scene": "geoships.scene.reader",
    "passes_over_time": "geoships.places.over_time",
    "plan_axis": "geoships.scene.tiling.windows",
    "plan_outputs": "geoships.pipeline.batch",
    "predict": "geoships.pipeline.predict",
    "predict_many": "geoships.pipeline.batch",
    "select_ships": "geoships.places.convert",
    "ship_tracks": "geoships.places.tracks",
    "stitch": "geoships.pipeline.stitch",
    "write_as": "geoships.places.convert",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'geoships' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
