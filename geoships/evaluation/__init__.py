"""Evaluate a model on labelled scenes.

>>> from geoships.evaluation import evaluate
>>> result = evaluate(["scenes/"], ["labels/"])  # doctest: +SKIP
>>> result.figures["all"]["pixels"]["iou"]  # doctest: +SKIP
0.61
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoships.evaluation.evaluation import Evaluation, evaluate
    from geoships.evaluation.outcomes import write_outcomes
    from geoships.evaluation.report import write_report
    from geoships.evaluation.store_points import store_operating_points
    from geoships.evaluation.temperature import store_temperature

__all__ = ["Evaluation", "evaluate", "store_operating_points", "store_temperature", "write_outcomes", "write_report"]

_MODULES = {
    "Evaluation": "geoships.evaluation.evaluation",
    "evaluate": "geoships.evaluation.evaluation",
    "store_operating_points": "geoships.evaluation.store_points",
    "store_temperature": "geoships.evaluation.temperature",
    "write_outcomes": "geoships.evaluation.outcomes",
    "write_report": "geoships.evaluation.report",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'geoships.evaluation' has no attribute {name!r}")
