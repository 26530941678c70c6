"""Growth of cost and memory: with the number of ships, with the size of a scene, and with its bands.

    uv run python benchmarks/growth.py ships 10000 20000 100000
    uv run python benchmarks/growth.py pixels 1 16 100 400 1600
    uv run python benchmarks/growth.py bands

ships: a sea of so many ships, whose scores are given instead of computed: joining, measuring, the table, a GeoPackage,
mask and scores. Their share of a whole run follows from --speed, the megapixels per second of a run on this machine.
pixels: sparse scenes of so many megapixels, of which 16 at most have data. bands: one scene of 4 megapixels, of three
and of five bands. Each run is a process of its own; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window
from timed_process import environment

from geoships import PredictConfig
from geoships.output.stitch import RowBand
from geoships.pipeline.predict import Prediction, predict, predict_scene
from geoships.pipeline.scene_run import SceneRun
from geoships.support.progress import NoProgress

CELL = 40  # pixels per side of the sea around a ship
SHIP = slice(10, 16), slice(8, 26)  # its rows and columns
BLOCK = 512
WITH_DATA = 4096  # pixels per side at most that have data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("ships", "pixels", "bands"))
    parser.add_argument("amounts", nargs="*", type=int)
    parser.add_argument("--speed", type=float, default=1.64, help="megapixels of a scene per second of a whole run")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.part, options.amounts[0])))
        return
    amounts = options.amounts or {"ships": [10_000, 20_000], "pixels": [1, 16, 100], "bands": [3, 5]}[options.part]
    print(
        "| "
        + " | ".join(
            (
                options.part,
                "Mpix",
                "ships found",
                "s",
                "s of the processor",
                "of these per amount",
                "share",
                "peak, MiB",
            )
        )
        + " |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for amount in amounts:
        command = [sys.executable, __file__, options.part, str(amount), "--here"]
        found = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout
        )
        seconds, cpu, pixels = found["seconds"], found["cpu"], found["pixels"] / 1e6
        share = f"{cpu / (cpu + pixels / options.speed):.0%}" if options.part == "ships" else ""
        each = f"{cpu / amount * 1e3:.3f} ms"
        print(
            f"| {amount:,} | {pixels:.0f} | {found['ships']:,} | {seconds:.2f} | {cpu:.2f} | {each} | "
            f"{share} | {found['peak']} |",
            flush=True,
        )


def measure(part: str, amount: int) -> dict[str, object]:
    """Run one job in this process."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        outputs = {kind: Path(folder) / name for kind, name in
                   (("vector", "ships.gpkg"), ("mask", "mask.tif"), ("scores", "scores.tif"))}  # fmt: skip
        if part == "ships":
            write_sea(scene, CELL * math.ceil(math.sqrt(amount)), bands=5, data=0)
        elif part == "pixels":
            write_sea(scene, round(math.sqrt(amount * 1e6)), bands=5, data=WITH_DATA)
        else:
            write_sea(scene, 2048, bands=amount, data=2048)
        started, cpu = time.perf_counter(), time.process_time()
        result = run(scene, outputs, amount if part == "ships" else None)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"seconds": seconds, "cpu": cpu, "pixels": result.pixels, "ships": len(result.ships), "peak": peak}


def run(scene: Path, outputs: dict[str, Path], ships: int | None) -> Prediction:
    """Predict a scene; with a number of ships, their scores are given."""
    if ships is None:
        return predict(scene, out=outputs["vector"], mask=outputs["mask"], scores=outputs["scores"], views=1)

    def source(opened: SceneRun) -> Generator[tuple[RowBand, ...]]:
        height, width = opened.scene.window.shape
        across = width // CELL
        for number, row in enumerate(range(0, height, CELL)):
            scores = np.zeros((CELL, width), np.float32)
            for column in range(min(across, ships - number * across)):
                scores[:, column * CELL : (column + 1) * CELL][SHIP] = 0.999
            yield (RowBand(row, scores, np.ones((CELL, width), np.bool_)),)

    return predict_scene(str(scene), outputs, config=PredictConfig(views=1), progress=NoProgress(), source=source)


def write_sea(path: Path, size: int, *, bands: int, data: int) -> None:
    """A sparse scene of `size` x `size` pixels whose upper left corner of at most `data` x `data` has data."""
    names = ("B02", "B03", "B04", "B08", "B11")[:bands]
    rng = np.random.default_rng(1)
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=bands, dtype="uint16", tiled=True, blockxsize=BLOCK,
        blockysize=BLOCK, compress="deflate", zlevel=1, sparse_ok=True, bigtiff="yes", nodata=0, crs="EPSG:32631",
        transform=Affine(10, 0, 3e5, 0, -10, 6e6),
    ) as dataset:  # fmt: skip
        dataset.descriptions = names
        dataset.scales, dataset.offsets = (1e-4,) * bands, (-0.1,) * bands
        side = min(size, data)
        for row in range(0, side, BLOCK):
            for column in range(0, side, BLOCK):
                height, width = min(BLOCK, side - row), min(BLOCK, side - column)
                block = rng.integers(1200, 1500, (bands, height, width)).astype("uint16")
                dataset.write(block, window=Window(column, row, width, height))


if __name__ == "__main__":
    main()
