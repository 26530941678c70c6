"""A typical script with torchgeo: GridGeoSampler, DataLoader, PyTorch, and the mean of overlapping tiles.

    python benchmarks/torchgeo_script.py --scene SCENE --weights WEIGHTS --recipe RECIPE --out FOLDER

Mask and scores as COGs, polygons as GeoJSON, as geoships writes them. Needs torchgeo, smp, rasterio and geopandas.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import torch  # noqa: E402
from plain_torch import load_model, write_polygons, write_raster  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchgeo.datasets import RasterDataset  # noqa: E402
from torchgeo.samplers import GridGeoSampler  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--weights", "--recipe", "--out"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--tile", type=int, default=512)
parser.add_argument("--overlap", type=int, default=128)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--workers", type=int, default=2)
options = parser.parse_args()
model = load_model(options.weights, options.recipe)
clock.stage("load")

with rasterio.open(options.scene) as dataset:
    profile = dataset.profile
height, width, transform = profile["height"], profile["width"], profile["transform"]
scenes = RasterDataset(paths=str(options.scene))
sampler = GridGeoSampler(scenes, size=options.tile, stride=options.tile - options.overlap)
queries = list(sampler)
loader = DataLoader(
    scenes,
    sampler=queries,
    batch_size=options.batch,
    num_workers=options.workers,
    collate_fn=lambda samples: torch.stack([sample["image"] for sample in samples]),
)
total, count = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
places = iter(queries)
with torch.inference_mode():
    for images in loader:
        for tile in model(images / 255).sigmoid()[:, 0].numpy():
            x, y = next(places)[:2]
            row = round((y.stop - transform.f) / transform.e)
            column = round((x.start - transform.c) / transform.a)
            target = np.s_[max(0, row) : row + tile.shape[0], max(0, column) : column + tile.shape[1]]
            inside = total[target].shape
            top, left = max(0, -row), max(0, -column)
            total[target] += tile[top : top + inside[0], left : left + inside[1]]
            count[target] += 1
scores = total / np.maximum(count, 1)
mask = (scores >= 0.5).astype(np.uint8)
write_raster(options.out / "scores.tif", scores, profile)
write_raster(options.out / "mask.tif", mask, profile)
ships = write_polygons(options.out / "ships.geojson", mask, profile)
clock.stage("work")
clock.report(ships=ships, tiles=len(queries))
