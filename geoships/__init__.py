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
    from geoships.config import PredictConfig
    from geoships.model.bundle import load_bundle
    from geoships.pipeline.predict import Prediction, predict
    from geoships.pipeline.stitch import stitch

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "DeviceError",
    "GeoshipsError",
    "OutputError",
    "PredictConfig",
    "Prediction",
    "SceneError",
    "__version__",
    "load_bundle",
    "predict",
    "stitch",
]

_HOMES = {
    "PredictConfig": "geoships.config",
    "Prediction": "geoships.pipeline.predict",
    "load_bundle": "geoships.model.bundle",
    "predict": "geoships.pipeline.predict",
    "stitch": "geoships.pipeline.stitch",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'geoships' has no attribute {name!r}")
