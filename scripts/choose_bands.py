"""Write a bundle for some of a model's bands: it computes what the whole model does where the others are missing.

    uv run python scripts/choose_bands.py sentinel2-5band --bands blue green red --optional blue --name optical-rgb \
        --gsd-range 6 7.5 --description "Ships in red, green and blue." --out BUNDLE

The bundle has no screen, no int8 variant and no metrics: those of the whole model are not its own.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from geoships.model.bundle import half_weights, load_bundle, save_bundle
from geoships.model.engines.graph_maker import with_graph
from geoships.training.encoder import choose_bands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="installed model, folder or .zip")
    parser.add_argument("--bands", nargs="+", required=True)
    parser.add_argument("--optional", nargs="*", default=[], help="bands that a scene may lack")
    parser.add_argument("--name", required=True)
    parser.add_argument("--min-peak", type=float, help="minimum peak score of a ship; default: of the bundle")
    parser.add_argument(
        "--gsd-range", nargs=2, type=float, help="pixel sizes in metres that are not resampled; default: of the bundle"
    )
    parser.add_argument("--description", help="default: of the bundle")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    card = bundle.card
    places = [card.bands.index(band) for band in options.bands]
    own = card.input.model_copy(
        update={
            "bands": tuple(options.bands),
            "input": card.input.input.model_copy(update={"shape": (-1, len(places), -1, -1)}),
            "value_scaling": tuple(card.input.value_scaling[place] for place in places),
        }
    )
    stem = next(iter(bundle.network().state_dict()))
    weights = choose_bands(bundle.float_weights(), stem, card.bands, options.bands)
    changes = {
        "name": options.name,
        "description": options.description or card.description,
        "inputs": (own,),
        "optional": tuple(options.optional),
        "min_peak": card.min_peak if options.min_peak is None else options.min_peak,
        "total_parameters": sum(value.numel() for value in weights.values()),
        "gsd_range": tuple(options.gsd_range or card.gsd_range),
        "metrics": (),
        "operating_points": {},
        "screen": None,
    }
    chosen = replace(
        bundle, card=card.model_copy(update=changes), weights=half_weights(weights), int8=None, screen=None
    )
    made = with_graph(chosen)
    save_bundle(options.out, made.card, made.weights, graph=made.graph)


if __name__ == "__main__":
    main()
