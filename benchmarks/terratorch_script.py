"""terratorch's tiled inference with plain writers; run by `run.py` in terratorch's environment."""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import torch  # noqa: E402
from plain_torch import load_model, write_polygons, write_raster  # noqa: E402
from terratorch.tasks.tiled_inference import tiled_inference  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--weights", "--recipe", "--out"):
    parser.add_argument(name, type=Path, required=True)
options = parser.parse_args()
model = load_model(options.weights, options.recipe)
clock.stage("load")
with rasterio.open(options.scene) as dataset:
    profile, pixels = dataset.profile, dataset.read()
image = torch.from_numpy(pixels.astype(np.float32) / 255)[None]
# tiles overlap by crop - stride, and lose `delta` on each side
logits = tiled_inference(lambda images: model(images).sigmoid(), image, crop=512, stride=384, delta=32, batch_size=4)
scores = logits[0, 0].numpy()
mask = (scores >= 0.5).astype(np.uint8)
write_raster(options.out / "scores.tif", scores, profile)
write_raster(options.out / "mask.tif", mask, profile)
ships = write_polygons(options.out / "ships.geojson", mask, profile)
clock.stage("work")
clock.report(ships=ships)
