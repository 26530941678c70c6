"""The forward pass alone: an engine of geoships on all pixels of a scene, in tiles without overlap. Run by `run.py`.

The scene is read, and the network compiled on the first tile, before the clock starts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

from geoships.support.memory import use_one_arena  # noqa: E402

use_one_arena()  # as the command line does, before any library starts its threads

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import torch  # noqa: E402

from geoships import load_bundle  # noqa: E402
from geoships.model.engines import sessions  # noqa: E402
from geoships.model.engines.base import run  # noqa: E402
from geoships.model.engines.choose import choose_engine  # noqa: E402
from geoships.model.engines.device import choose_device  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--scene", type=Path, required=True)
parser.add_argument("--bundle", type=Path, required=True)
parser.add_argument("--engine", default="auto")
parser.add_argument("--precision", default="auto")
parser.add_argument("--device", default="auto")
parser.add_argument("--tile", type=int, default=512)
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--streams", type=int, default=0)
options = parser.parse_args()

with rasterio.open(options.scene) as dataset:
    pixels = dataset.read()
if options.streams:
    sessions.STREAMS = options.streams
choice = choose_engine(options.engine, options.precision, choose_device(options.device))
engine = choice.open(load_bundle(options.bundle), batch_size=options.batch)
tile = options.tile
rows, columns = (size // tile * tile for size in pixels.shape[1:])
corners = [(row, column) for row in range(0, rows, tile) for column in range(0, columns, tile)]
if not corners:
    raise SystemExit(f"{options.scene}: smaller than a tile of {tile} pixels; use a smaller --tile")


def image(row: int, column: int) -> torch.Tensor:
    values = pixels[:, row : row + tile, column : column + tile]
    return torch.from_numpy(np.multiply(values, np.float32(1 / 255), dtype=np.float32))


images = [image(*corner) for corner in corners[:64]]  # enough that they do not fit into a CPU cache
for _ in run(engine, ({"image": images[0]} for _ in range(options.batch * engine.streams))):
    pass
clock.stage("load")
for _ in run(engine, ({"image": images[number % len(images)]} for number in range(len(corners)))):
    pass
clock.stage("work")
clock.report(pixels=len(corners) * tile * tile, engine=str(choice), threads=torch.get_num_threads())
