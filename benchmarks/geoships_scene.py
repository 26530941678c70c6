"""geoships on one scene: read, compute, blend, mask and scores as COGs, polygons, GeoJSON. Run by `run.py`.

A corner of the scene is predicted first, so that late imports and the conversion of the model are done before the clock
starts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

from geoships.support.memory import use_one_arena  # noqa: E402

use_one_arena()  # as the command line does, before any library starts its threads

import rasterio  # noqa: E402
from rasterio.windows import Window  # noqa: E402

from geoships import PredictConfig, load_bundle, predict  # noqa: E402

clock.stage("imports")
CORNER = 1024  # pixels

parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--out"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--bundle", type=Path, help="default: the installed model that fits")
parser.add_argument("--engine", default="auto")
parser.add_argument("--precision", default="auto")
parser.add_argument("--device", default="auto")
parser.add_argument("--tile", type=int)
parser.add_argument("--streams", type=int, default=0)
options = parser.parse_args()

bundle = load_bundle(options.bundle)
if options.streams:
    from geoships.model.engines import sessions

    sessions.STREAMS = options.streams
config = PredictConfig(
    engine=options.engine,
    precision=options.precision,
    device=options.device,
    tile_size=options.tile,
    overwrite=True,
)
with (
    rasterio.open(options.scene) as dataset,
    rasterio.open(options.out / "corner.tif", "w", **{**dataset.profile, "height": CORNER, "width": CORNER}) as copy,
):
    copy.write(dataset.read(window=Window(0, 0, CORNER, CORNER)))
    copy.descriptions, copy.scales, copy.offsets = dataset.descriptions, dataset.scales, dataset.offsets
predict(options.out / "corner.tif", out=options.out / "corner.geojson", model=bundle, config=config)
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
