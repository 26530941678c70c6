"""Add a segmentation model to the installed models, with the metrics of its cross-validation.

    uv run python scripts/pack_scenes.py RUN/bundle FOLDS geoships/model/bundled/NAME [--optional blue swir16]

FOLDS: folder of the runs `fold-1`, `fold-2` and so on with the same settings, as `geoships crossval` writes it. Each
fold is evaluated on its held-out scenes, with the threshold, minimum peak score and views of the model.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from geoships.config import predict_config
from geoships.model.bundle import half_weights, load_bundle, save_bundle
from geoships.model.engines.graph_maker import with_graph
from geoships.workflows.crossval import evaluate_entries, finished_folds, summary

NOTE = "Each scene was judged by the weights of a fold that had not seen it; these weights have seen all of them."


def figures_of(values: dict[str, Any]) -> dict[str, float]:
    """Select the metrics of one scene, or of all scenes, for the card."""
    matched = values["ships"]["iou_0.3"]
    pixels = {name: values["pixels"][name] for name in ("iou", "dice")}
    selected = {**pixels, **{f"{name}_iou_0.3": matched[name] for name in ("precision", "recall", "f1")}}
    return {name: round(float(value), 3) for name, value in selected.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folds", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--optional", nargs="*", help="bands that a scene may lack; default: those of the training")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    card = bundle.card
    config = predict_config(threshold=card.threshold, min_peak=card.min_peak, views=card.views)
    folds = finished_folds(options.folds)
    figures, table = summary(
        [evaluate_entries(fold.config.data, fold.held_out, fold.model, config, thresholds=()) for fold in folds]
    )
    metric = {
        "name": f"{len(folds)}-fold cross-validation by scene",
        "note": NOTE,
        "figures": figures_of(figures["all"]),
        "scenes": {scene: figures_of(values) for scene, values in figures["scenes"].items()},
    }
    optional = card.optional if options.optional is None else tuple(options.optional)
    changes = {"name": options.target.name, "optional": optional, "metrics": (metric,)}
    packed = with_graph(replace(bundle, card=card.model_copy(update=changes), weights=half_weights(bundle.weights)))
    save_bundle(options.target, packed.card, packed.weights, graph=packed.graph)
    print(table)
    print(f"wrote {options.target}: {metric['figures']}")


if __name__ == "__main__":
    main()
