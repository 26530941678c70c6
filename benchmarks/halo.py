"""Context that a score needs: scores of tiles against those of the whole scene, by distance from the tiles' edges.

    uv run python benchmarks/halo.py SCENE [SCENE ...] [--bundle BUNDLE] [--tile 768]

For each halo: of the pixels that have a score of at least the threshold in either, the share whose score differs by
more than 0.01, the difference that 999 of 1,000 stay below, the largest, and the share that changes sides.
Training measures the halo of a model's card in the same way, on fewer tiles.
"""

from __future__ import annotations

import argparse

import numpy as np

from geoships import load_bundle, open_scene
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import Device
from geoships.model.inputs import prepare_samples
from geoships.scene.tiles import TileReader
from geoships.scene.tiling.resample import ratio
from geoships.scene.tiling.windows import Window
from geoships.training.segmentation.halo import STEP, TOLERANCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--bundle")
    parser.add_argument("--tile", type=int, default=768)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    card, tile = bundle.card, options.tile
    engine = choose_engine("auto", "fp32", Device("cpu")).open(bundle, batch_size=1)

    def scores(image: np.ndarray) -> np.ndarray:
        return engine.collect(engine.submit(np.ascontiguousarray(image[None])))[0]

    found: list[tuple[np.ndarray, ...]] = []
    for name in options.scenes:
        with open_scene(name, card.bands, optional=card.optional) as scene:
            across, down = scene.georeference.pixel_size() or (card.gsd, card.gsd)
            ratios = tuple(ratio(size, card.gsd, card.gsd_range, card.step) for size in (down, across))
            rows, columns = (
                size // scale.scene * scale.scene for size, scale in zip(scene.window.shape, ratios, strict=True)
            )
            sample = TileReader(scene, ratios=ratios).read(Window(0, 0, rows, columns))
            image = next(prepare_samples([sample], card, scene.wanted, south_up=False))["image"]
        whole = scores(image)
        sides = [min(tile, size - 2 * card.step) // card.step * card.step for size in whole.shape]
        edge = np.minimum(*np.ix_(*(np.minimum(np.arange(side), np.arange(side)[::-1]) for side in sides)))
        starts = [
            range(card.step, size - side - card.step + 1, max(card.step, side // 2 // card.step * card.step))
            for size, side in zip(whole.shape, sides, strict=True)
        ]
        for row in starts[0]:
            for column in starts[1]:
                part = slice(row, row + sides[0]), slice(column, column + sides[1])
                own = scores(image[:, *part])
                ships = np.maximum(own, whole[part]) >= card.threshold
                turned = (own >= card.threshold) != (whole[part] >= card.threshold)
                found.append((edge[ships], np.abs(own - whole[part])[ships], turned[ships]))
    edge, difference, turned = (np.concatenate(parts) for parts in zip(*found, strict=True))
    print(f"{card.name}: {len(found)} tiles of up to {tile} pixels, float32, {edge.size:,} pixels of ships\n")
    print(
        f"| halo | share over {TOLERANCE:g} | 99.9 % below | largest | change sides |\n| --- | --- | --- | --- | --- |"
    )
    for halo in range(0, tile // 2 - STEP, STEP):
        inside = edge >= halo
        if inside.any():
            own = difference[inside]
            print(
                f"| {halo} | {(own > TOLERANCE).mean():.3%} | {np.quantile(own, 0.999):.4f} | {own.max():.4f} | "
                f"{turned[inside].mean():.3%} |"
            )


if __name__ == "__main__":
    main()
