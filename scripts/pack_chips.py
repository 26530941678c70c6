"""Add a trained chip classifier to the installed models, with the metrics of its cross-validation.

python scripts/pack_chips.py RUN/bundle CROSSVAL/crossval.json geoships/model/bundled/chips-rgb3m
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from geoships.model.bundle import half_weights, load_bundle, save_bundle
from geoships.model.engines.graph_maker import with_graph


def main() -> None:
    source, crossval, target = map(Path, sys.argv[1:])
    bundle = load_bundle(source)
    content = json.loads(crossval.read_text())
    metric = {
        "name": f"{len(content['folds'])}-fold cross-validation of {len(content['scores'])} chips",
        "note": "The chips have no scene in their names: the split keeps near-duplicates together, not scenes. "
        "The installed weights are trained on all chips, which these figures do not judge.",
        "command": "geoships crossval --config configs/chips-rgb3m.yaml --folds 5 --set data.root=SHIPSNET",
        "groups": content["groups"],
        "threshold": content["threshold"],
        "figures": {name: round(value, 4) for name, value in content["all"].items()},
    }
    card = bundle.card.model_copy(update={"metrics": (metric,)})
    packed = with_graph(replace(bundle, card=card, weights=half_weights(bundle.weights)))
    save_bundle(target, packed.card, packed.weights, graph=packed.graph)
    print(f"{target}: {metric['figures']}")


if __name__ == "__main__":
    main()
