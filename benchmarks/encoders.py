"""Comparison of training runs: accuracy on held-out scenes, size and speed.

    uv run python benchmarks/encoders.py runs/lite0 runs/resnet18 ...

Each run of `geoships train` is evaluated with one view on the scenes that its settings hold out. Speed is measured for
forward passes of 512 x 512 pixels with the default engine, in turn, so that other load on the machine slows all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from geoships.config import predict_config, train_config
from geoships.model.bundle import load_bundle
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import choose_device
from geoships.training.labelled_scenes import group_of, scene_files
from geoships.workflows.crossval import evaluate_entries, summary

SIDE, ROUNDS = 512, 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--min-peak", type=float, default=0.95)
    options = parser.parse_args()
    choice = choose_engine("auto", "auto", choose_device("auto"))
    bundles = {run: load_bundle(run / "bundle") for run in options.runs}
    engines = {run: choice.open(bundle, batch_size=1) for run, bundle in bundles.items()}
    times: dict[Path, list[float]] = {run: [] for run in bundles}
    for _ in range(ROUNDS):
        for run, engine in engines.items():
            image = torch.rand(1, len(bundles[run].card.bands), SIDE, SIDE)
            started = time.perf_counter()
            engine.collect(engine.submit(image))
            times[run].append(time.perf_counter() - started)
    print(f"{choice}, {torch.get_num_threads()} threads")
    print("| run | network | parameters | pixel IoU | F1 at IoU 0.3 | Mpix/s |\n| --- | --- | --- | --- | --- | --- |")
    config = predict_config(threshold=options.threshold, min_peak=options.min_peak, views=1)
    for run, bundle in bundles.items():
        data = train_config(run / "config.yaml").data
        held = [entry for entry in scene_files(data) if group_of(entry) in data.hold_out]
        found = summary([evaluate_entries(data, held, bundle, config, thresholds=())])[0]["all"]
        speed = SIDE**2 / 1e6 / statistics.median(times[run])
        print(
            f"| {run.name} | {bundle.card.architecture} | {bundle.card.total_parameters / 1e6:.1f} M | "
            f"{found['pixels']['iou']:.3f} | {found['ships']['iou_0.3']['f1']:.3f} | {speed:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
