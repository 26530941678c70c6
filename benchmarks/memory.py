"""Peak memory of a run: the resident set of the whole process, and what it is above that before the run.

    uv run python benchmarks/memory.py 10240
    uv run python benchmarks/memory.py 10980 --dense 0.24 --precision bf16
    uv run python benchmarks/memory.py 40000 --dense 0.15

Writes a five-band uint16 scene with the given number of rows and columns to a temporary folder: noise over dark water
in the dense share of its rows, sparse nodata elsewhere. Then predicts it, and writes mask, scores and polygons.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.windows import Window
from stage_clock import RESULT_PREFIX

from geoships import load_bundle, predict


def write_scene(path: Path, size: int, dense: float) -> None:
    rng = np.random.default_rng(1)
    block = rng.integers(1200, 1500, (5, 512, 2048)).astype("uint16")
    block[:, 100:106, 200:230] = 5000
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=5, dtype="uint16", tiled=True, blockxsize=512,
        blockysize=512, compress="deflate", zlevel=1, sparse_ok=True, bigtiff="yes", nodata=0, crs="EPSG:32631",
        transform=Affine(10, 0, 3e5, 0, -10, 6e6),
    ) as dataset:  # fmt: skip
        dataset.descriptions = ("B02", "B03", "B04", "B08", "B11")
        dataset.scales, dataset.offsets = (1e-4,) * 5, (-0.1,) * 5
        for row in range(0, int(size * dense), 512):
            for column in range(0, size, 2048):
                height, width = min(512, size - row), min(2048, size - column)
                dataset.write(block[:, :height, :width], window=Window(column, row, width, height))


class PeakMemory(threading.Thread):
    """Measures the resident set of this process, twenty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self.process, self.done = 0, psutil.Process(), threading.Event()

    def run(self) -> None:
        """Measure until `done` is set."""
        while not self.done.wait(0.05):
            self.bytes = max(self.bytes, self.process.memory_info().rss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int)
    parser.add_argument("--dense", type=float, default=1.0, help="share of the rows with data")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_scene(scene, options.size, options.dense)
        bundle = load_bundle()
        before = psutil.Process().memory_info().rss
        peak = PeakMemory()
        peak.start()
        started = time.monotonic()
        result = predict(
            scene,
            out=Path(folder) / "s.gpkg",
            mask=Path(folder) / "m.tif",
            scores=Path(folder) / "p.tif",
            model=bundle,
            precision=options.precision,
        )
        seconds = time.monotonic() - started
        peak.done.set()
    print(
        f"{options.size} x {options.size}, {options.dense:.0%} dense: {len(result.ships)} ships in {seconds:.0f} s; "
        f"{before / 2**30:.2f} GiB before, {peak.bytes / 2**30:.2f} GiB at the peak: "
        f"{(peak.bytes - before) / 2**30:.2f} GiB more"
    )
    print(
        RESULT_PREFIX + json.dumps({"before": before, "peak": peak.bytes, "more": peak.bytes - before, "work": seconds})
    )


if __name__ == "__main__":
    main()
