"""Context that a score needs: difference between scores of a tile and of the whole scene, by distance from the edge.

    uv run python benchmarks/halo.py SCENE [--bundle BUNDLE] [--tile 512]

Prints the maximum and the 99.99th percentile of the difference. The halo of a model's card is the distance at which
differences become negligible.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from geoships import load_bundle
from geoships.model.engines.scoring import Normalised
from geoships.scene.reader import open_scene
from geoships.scene.tiling.windows import Window
from geoships.scene.torchgeo import SceneDataset, WindowSlice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene")
    parser.add_argument("--bundle")
    parser.add_argument("--tile", type=int, default=512)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    model = Normalised(bundle.network(), bundle.card.input, bundle.card.temperature).eval()
    step, tile = bundle.card.step, options.tile
    with open_scene(options.scene, bundle.card.bands) as scene:
        rows, columns = (size // step * step for size in scene.window.shape)
        dataset, window = SceneDataset(scene), Window(0, 0, rows, columns)
        image = dataset[WindowSlice(*dataset.grid.slices(window), window)]["image"][None]
    with torch.inference_mode():
        whole = model(image).sigmoid()[0].numpy()
        distances, differences = [], []
        y, x = np.mgrid[:tile, :tile]
        inner = np.minimum.reduce([y, x, tile - 1 - y, tile - 1 - x])
        for row in range(step * 2, rows - tile - step, tile // 2 // step * step):
            for column in range(step * 2, columns - tile - step, tile // 2 // step * step):
                part = (slice(row, row + tile), slice(column, column + tile))
                scores = model(image[..., part[0], part[1]]).sigmoid()[0].numpy()
                distances.append(inner.ravel())
                differences.append(np.abs(scores - whole[part]).ravel())
    distance, difference = np.concatenate(distances), np.concatenate(differences)
    print(f"{len(distances)} tiles of {tile} pixels, float32\n{'distance':>10} {'largest':>9} {'99.99 %':>9}")
    for low in range(0, tile // 2, 16):
        band = difference[(distance >= low) & (distance < low + 16)]
        print(f"{low:4} to {low + 15:3} {band.max():9.4f} {np.percentile(band, 99.99):9.4f}")


if __name__ == "__main__":
    main()
