"""Comparison of engines: time of a tile, and difference of its scores from PyTorch in float32.

Every engine scores the same tile of a scene in turn, so that other load on the machine slows all of them.
Flips are pixels that change between ship and water, per 100,000.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import closing

import numpy as np
import torch

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.model.engines.choose import choose_engine
from geoships.model.inputs import prepare_samples
from geoships.pipeline.scene_run import open_run
from geoships.scene.streaming import stream_tiles

CHOICES = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene")
    parser.add_argument("--model")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cpu = torch.device("cpu")
    config = PredictConfig(model=options.model, device="cpu", tile_size=options.tile)
    with open_run(options.scene, config=config) as run:
        bundle = run.bundle
        with closing(stream_tiles(run.scene, run.plan.tiles, run.plan.ratios)) as tiles:
            sample = next(prepare_samples(tiles, bundle.card, run.scene.wanted, south_up=run.georeference.south_up))
    image = sample["image"][None]
    engines, opened, scores = {}, {}, {}
    for name, precision in CHOICES:
        started = time.perf_counter()
        try:
            choice = choose_engine(name, precision, cpu)
            engine = choice.open(bundle, batch_size=1)
            scores[str(choice)] = engine.collect(engine.submit(image))
        except GeoshipsError as error:
            print(f"{name}, {precision}: {error}")
            continue
        engines[str(choice)], opened[str(choice)] = engine, time.perf_counter() - started
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(options.rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.collect(engine.submit(image))
            times[name].append(time.perf_counter() - started)
    reference = next(iter(scores))
    print(f"tile of {image.shape[2]} x {image.shape[3]} pixels, {torch.get_num_threads()} threads")
    print(f"{'engine':26} {'first s':>8} {'s a tile':>9} {'Mpix/s':>7} {'speed':>6} {'largest':>8} {'flips':>7}")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        difference = np.abs(scores[name] - scores[reference])
        flips = np.mean((scores[name] >= bundle.card.threshold) != (scores[reference] >= bundle.card.threshold))
        print(
            f"{name:26} {opened[name]:8.2f} {median:9.3f} {image[0, 0].numel() / 1e6 / median:7.2f} "
            f"{statistics.median(times[reference]) / median:6.2f} {difference.max():8.2g} {flips * 1e5:7.2f}"
        )


if __name__ == "__main__":
    main()
