"""Speed of the precisions of OpenVINO on this processor, for one model: megapixels for each second of the processor.

    uv run python benchmarks/precisions.py [--model BUNDLE] [--size 1024] [--repeats 4]

Takes turns between the precisions, on noise, and prints the best of each. Seconds of the processor are taken, so that
other programs disturb little; OMP_NUM_THREADS=1 disturbs least.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from geoships import load_bundle
from geoships.model.engines.base import Engine, Images
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import choose_device
from geoships.model.engines.sessions import openvino_has_bf16


def seconds(engine: Engine, image: Images) -> float:
    started = time.process_time()
    engine.collect(engine.submit(image))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="bundle; the default model otherwise")
    parser.add_argument("--size", type=int, default=1024, help="rows and columns of the image, in model pixels")
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    bundle, cpu = load_bundle(options.model), choose_device("cpu")
    names = ["fp32", *(["bf16"] if openvino_has_bf16() else []), *(["int8"] if bundle.int8 else [])]
    engines = {name: choose_engine("openvino", name, cpu).open(bundle, batch_size=1) for name in names}  # type: ignore[arg-type]
    image = np.random.default_rng(0).random((1, len(bundle.card.bands), options.size, options.size), np.float32)
    for engine in engines.values():
        engine.collect(engine.submit(image))  # compiles
    turns = [{name: seconds(engine, image) for name, engine in engines.items()} for _ in range(options.repeats)]
    print("| precision | Mpix/s of the processor |\n| --- | --- |")
    for name in names:
        print(f"| {name} | {options.size**2 / 1e6 / min(turn[name] for turn in turns):.2f} |")


if __name__ == "__main__":
    main()
