"""Ships of tiles with several halos against those of one tile that covers the whole scene.

    uv run python benchmarks/halo_ships.py SCENE [SCENE ...] [--halos 96 128 160] [--tile 1024]

A ship is kept if a ship of the whole scene has the same outline, with an IoU of 0.9 or more. Small tiles are the worst
case: most of their pixels are close to an edge. Compare --precision fp32 where only the halo is to count.
"""

from __future__ import annotations

import argparse

from geoships import PredictConfig, Prediction, load_bundle, predict
from geoships.metrics.comparison import compare
from geoships.model.bundle import Bundle
from geoships.scene.tiling.plan import BLEND

IOU = 0.9
WHOLE = 4096  # model pixels; larger than any scene that fits into memory as one tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--halos", nargs="+", type=int, default=[96, 128, 160])
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    ships, extra = 0, dict.fromkeys(options.halos, 0)
    lost: dict[int, list[str]] = {halo: [] for halo in options.halos}
    for scene in options.scenes:
        whole = found(scene, bundle, {"tile_size": WHOLE, "precision": options.precision})
        if whole.tiles.planned > 1:
            raise SystemExit(
                f"{scene}: larger than one tile of {WHOLE} x {WHOLE} pixels of the model; take a smaller one"
            )
        expected = list(whole.ships.geometry)
        ships += len(expected)
        for halo in options.halos:
            settings = {"tile_size": options.tile, "overlap": 2 * halo + BLEND, "precision": options.precision}
            tiled = list(found(scene, bundle, settings).ships.geometry)
            compared = compare(tiled, expected)
            missed = compared.missed(IOU)
            lost[halo] += [f"{scene}: {expected[number].centroid.wkt}" for number in missed]
            extra[halo] += len(compared.false_positives(IOU))
            print(f"{scene}, halo {halo}: {len(missed)} of {len(expected)} lost", flush=True)
    print(f"\n{ships} ships of {len(options.scenes)} scenes, tiles of {options.tile}, {options.precision}\n")
    print("| halo | lost, or with another outline | others |\n| --- | --- | --- |")
    for halo in options.halos:
        print(f"| {halo} | {len(lost[halo])} | {extra[halo]} |")
    for halo, places in lost.items():
        for place in places:
            print(f"lost with {halo}: {place}")


def found(scene: str, bundle: Bundle, settings: dict[str, object]) -> Prediction:
    return predict(scene, model=bundle, config=PredictConfig.model_validate({"views": 1, "verify": False, **settings}))


if __name__ == "__main__":
    main()
