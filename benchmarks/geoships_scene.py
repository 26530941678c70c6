"""geoships on one scene: read, compute, blend, mask and scores as COGs, polygons, GeoJSON. Run by `run.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from reporting import Clock

clock = Clock()

from geoships import PredictConfig, load_bundle, predict  # noqa: E402

clock.stage("imports")

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--bundle", "--out"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--engine", default="auto")
parser.add_argument("--precision", default="auto")
parser.add_argument("--device", default="auto")
parser.add_argument("--tile", type=int)
parser.add_argument("--streams", type=int, default=0)
options = parser.parse_args()

bundle = load_bundle(options.bundle)
if options.streams:
    from geoships.model import sessions

    sessions.STREAMS = options.streams
config = PredictConfig(
    engine=options.engine, precision=options.precision, device=options.device, tile_size=options.tile
)
clock.stage("load")
result = predict(
    options.scene,
    out=options.out / "ships.geojson",
    mask=options.out / "mask.tif",
    scores=options.out / "scores.tif",
    model=bundle,
    config=config,
)
clock.stage("work")
clock.report(ships=len(result.ships))
