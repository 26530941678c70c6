"""GeoDeep's own way from a GeoTIFF to GeoJSON; run by `run.py` in GeoDeep's environment.

The model is loaded in its one call, and so is part of its work. It writes no scores. Its median filter of the mask
is its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reporting import Clock

clock = Clock()

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
