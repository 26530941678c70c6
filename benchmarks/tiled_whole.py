"""Difference between scores of a tiled run and of a single tile that covers the whole scene.

    uv run geoships demo
    uv run python benchmarks/tiled_whole.py data/demo/harbour.tif

Pixels within `--border` of the scene's border are left out: their context is mirrored there, and how far the mirroring
reaches depends on where the last tile ends.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from geoships import PredictConfig, load_bundle
from geoships.pipeline.predict import score_rows


def scores(scene: str, config: PredictConfig) -> NDArray[np.float32]:
    return np.vstack([band.scores for band in score_rows(scene, config=config)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene")
    parser.add_argument("--border", type=int, default=208)
    parser.add_argument("--model")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    options = parser.parse_args()
    threshold = load_bundle(options.model).card.threshold
    print(f"{'precision':10} {'tile':>5} {'largest difference':>19} {'flips':>6} {'per 100,000 pixels':>19}")
    for precision in options.precisions:
        config = PredictConfig(model=options.model, precision=precision)
        whole = scores(options.scene, config.model_copy(update={"tile_size": 8192}))
        for tile in (960, 1024, 1280):
            tiled = scores(options.scene, config.model_copy(update={"tile_size": tile}))
            inner = (slice(options.border, -options.border),) * 2
            difference = np.abs(tiled - whole)[inner]
            flips = int(((tiled >= threshold) != (whole >= threshold))[inner].sum())
            print(f"{precision:10} {tile:5} {difference.max():19.4f} {flips:6} {flips / difference.size * 1e5:19.2f}")


if __name__ == "__main__":
    main()
