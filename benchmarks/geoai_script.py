"""geoai from a GeoTIFF to polygons; run by `run.py` in geoai's environment."""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

import rasterio  # noqa: E402
from geoai.train import semantic_inference_on_geotiff  # noqa: E402
from geoai.utils import raster_to_vector  # noqa: E402
from plain_torch import load_model  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--weights", "--recipe", "--out"):
    parser.add_argument(name, type=Path, required=True)
options = parser.parse_args()
model = load_model(options.weights, options.recipe, two=True)
clock.stage("load")
with rasterio.open(options.scene) as dataset:
    bands = dataset.count
mask = str(options.out / "mask.tif")
semantic_inference_on_geotiff(
    model,
    str(options.scene),
    mask,
    window_size=512,
    overlap=128,
    num_channels=bands,
    probability_path=str(options.out / "scores.tif"),
    quiet=True,
)
ships = raster_to_vector(mask, str(options.out / "ships.geojson"), min_area=300)
clock.stage("work")
clock.report(ships=len(ships))
