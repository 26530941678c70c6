"""Put a model of scenes into the installed ones, with figures of its cross-validation at the settings it ships with.

    uv run python scripts/pack_scenes.py RUN/bundle FOLDS geoships/model/bundled/sentinel2-5band
        --threshold 0.5 --min-peak 0.95 --views 4 --optional blue swir16

FOLDS: folder that `geoships crossval` wrote with the same settings of training. Each fold is judged on the scenes that
it has not seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from geoships.config import predict_config
from geoships.crossval import finished_folds, judge, summary
from geoships.model.bundle import load_bundle, save_bundle

NOTE = "Each scene was judged by the weights of a fold that had not seen it; these weights have seen all of them."


def figures_of(values: dict[str, Any]) -> dict[str, float]:
    """The figures of one scene, or of all, that a card shows."""
    matched = values["ships"]["iou_0.3"]
    pixels = {name: values["pixels"][name] for name in ("iou", "dice")}
    chosen = {**pixels, **{f"{name}_iou_0.3": matched[name] for name in ("precision", "recall", "f1")}}
    return {name: round(float(value), 3) for name, value in chosen.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folds", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--min-peak", type=float)
    parser.add_argument("--views", type=int)
    parser.add_argument("--optional", nargs="*", help="bands that a scene may lack; as the training had it if left out")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    chosen = {"threshold": options.threshold, "min_peak": options.min_peak, "views": options.views}
    settings: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    folds = finished_folds(options.folds)
    found, table = summary(
        [judge(fold.config.data, fold.held, fold.model, predict_config(**settings), thresholds=()) for fold in folds]
    )
    metric = {
        "name": f"{len(folds)}-fold cross-validation by scene",
        "note": NOTE,
        "figures": figures_of(found["all"]),
        "scenes": {scene: figures_of(values) for scene, values in found["scenes"].items()},
    }
    if options.optional is not None:
        settings["optional"] = tuple(options.optional)
    card = bundle.card.model_copy(update={**settings, "name": options.target.name, "metrics": (metric,)})
    save_bundle(options.target, card, bundle.weights)
    print(table)
    print(f"wrote {options.target}: {metric['figures']}")


if __name__ == "__main__":
    main()
