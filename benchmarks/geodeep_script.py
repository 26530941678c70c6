"""GeoDeep from a GeoTIFF to GeoJSON; run by `run.py` in GeoDeep's environment.

GeoDeep loads the model in its one call, so that loading counts as work. It writes no scores, and filters the mask with
a median filter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

import json  # noqa: E402

import rasterio  # noqa: E402
from geodeep import segment  # noqa: E402
from geodeep.inference import create_session  # noqa: E402
from geodeep.segmentation import mask_to_geojson, save_mask_to_raster  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--onnx", "--out"):
    parser.add_argument(name, type=Path, required=True)
options = parser.parse_args()
_, settings = create_session(str(options.onnx))
settings["classes"] = [1]
clock.stage("load")
mask = segment(str(options.scene), str(options.onnx), output_type="raw")
save_mask_to_raster(str(options.scene), mask, str(options.out / "mask.tif"))
with rasterio.open(options.scene) as scene:
    text = mask_to_geojson(scene, mask, settings)
(options.out / "ships.geojson").write_text(text)
clock.stage("work")
clock.report(ships=len(json.loads(text)["features"]))
