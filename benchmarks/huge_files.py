"""Peak memory over two kinds of huge files, against a limit of 1 GiB beyond the process with the loaded model.

    uv run python benchmarks/huge_files.py sparse
    uv run python benchmarks/huge_files.py sparse --whole --rows 2000
    uv run python benchmarks/huge_files.py strip --bands 1
    uv run python benchmarks/huge_files.py strip --size 12000 --bands 3

`sparse` writes a tiled GeoTIFF of five bands with data in 2,048 x 2,048 pixels and the rest never written, and scores
an area of 1,500 x 1,500 pixels there, or all of it with --whole. `strip` writes a GeoTIFF of uint16 whose one
compressed strip is the whole image; where it cannot be decoded within the limit, the refusal is printed. Ends with 1
where the limit is passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from memory import PeakMemory
from rasterio.windows import Window
from stage_clock import RESULT_PREFIX

from geoships import GeoshipsError, PredictConfig, load_bundle
from geoships.pipeline.predict import score_rows
from geoships.support.memory import use_one_arena

LIMIT = 1 << 30  # bytes
WEST, NORTH, PIXEL = -1e6, 1e6, 10.0  # of the scene, in metres of EPSG:3857
DATA, AREA = 2048, 1500  # sides in pixels of the part with data, and of the searched area; both at most --data
MODELS = {"sparse": "sentinel2-5band", "strip": "optical-rgb"}


def write_sparse(path: Path, area: Path, size: int, data: int) -> None:
    """Write a sparse scene with data in a square, and the area around its data."""
    row, column = min(3072, size // 2), size // 2 // 512 * 512
    values = np.random.default_rng(1).integers(1200, 1500, (5, data, data)).astype("uint16")
    values[:, 100:106, 200:230] = 5000
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=5, dtype="uint16", tiled=True, blockxsize=512,
        blockysize=512, compress="deflate", zlevel=1, sparse_ok=True, bigtiff="yes", nodata=0, crs="EPSG:3857",
        transform=Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH),
    ) as dataset:  # fmt: skip
        dataset.descriptions = ("B02", "B03", "B04", "B08", "B11")
        dataset.scales, dataset.offsets = (1e-4,) * 5, (-0.1,) * 5
        inside = min(data, size - row), min(data, size - column)
        dataset.write(values[:, : inside[0], : inside[1]], window=Window(column, row, inside[1], inside[0]))
    west, north = WEST + PIXEL * column, NORTH - PIXEL * row
    side = min(data, AREA) * PIXEL
    ring = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    corners = [[west + across * side, north - down * side] for across, down in ring]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [corners]}}
    area.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}), encoding="utf-8")


def write_strip(path: Path, size: int, bands: int) -> None:
    """Write a scene whose one compressed strip is the whole image."""
    values = np.random.default_rng(1).integers(1200, 1500, (1, size), dtype=np.uint16).repeat(size, 0)
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=bands, dtype="uint16", blockysize=size,
        compress="deflate", zlevel=1, interleave="pixel", crs="EPSG:3857",
        transform=Affine(3, 0, WEST, 0, -3, NORTH),
    ) as dataset:  # fmt: skip
        dataset.scales = (1e-4,) * bands
        for band in range(1, bands + 1):
            dataset.write(values, band)


def measure(kind: str, scene: Path, area: Path | None, bands: int, rows: int, limit: int) -> dict[str, object]:
    """Score the first rows of a scene within a limit, and measure this process meanwhile."""
    use_one_arena()
    bundle = load_bundle(MODELS[kind])
    network = bundle.network()  # loaded now, so that its memory counts as the model's
    before = psutil.Process().memory_info().rss
    peak = PeakMemory()
    peak.start()
    started, refused = time.monotonic(), None
    chosen = tuple(min(band, bands) for band in (1, 2, 3)) if kind == "strip" else None
    config = PredictConfig(max_memory=str(limit), area=area, bands=chosen)
    try:
        for band in score_rows(scene, config=config, model=bundle):
            if band.row_end >= rows:
                break
    except GeoshipsError as error:
        refused = str(error)
    peak.done.set()
    peak.join()
    del network
    seconds = time.monotonic() - started
    return {"before": before, "peak": peak.bytes, "more": peak.bytes - before, "work": seconds, "refused": refused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=MODELS)
    parser.add_argument("--size", type=int, help="rows and columns (sparse: 200,000, strip: 12,000)")
    parser.add_argument("--bands", type=int, default=1, help="of the strip")
    parser.add_argument("--data", type=int, default=DATA, help="side of the sparse scene's part with data")
    parser.add_argument("--rows", type=int, default=8000, help="to score, from the top")
    parser.add_argument("--whole", action="store_true", help="score the whole width of the sparse scene, not an area")
    parser.add_argument("--limit", type=int, default=LIMIT, help="bytes beyond the loaded model")
    parser.add_argument("--scene", type=Path, help="measure this file, written before, in this process")
    options = parser.parse_args()
    if options.scene:
        area = options.scene.with_name("area.geojson")
        found = measure(
            options.kind, options.scene, area if area.exists() else None, options.bands, options.rows, options.limit
        )
        print(RESULT_PREFIX + json.dumps(found))
        more = int(str(found["more"]))
        text = f"refused: {found['refused']}" if found["refused"] else f"{float(str(found['work'])):.0f} s"
        print(f"{options.kind}: {more / 2**20:.0f} MiB beyond the loaded model; {text}")
        raise SystemExit(more > options.limit)
    size = options.size or (200_000 if options.kind == "sparse" else 12_000)
    with tempfile.TemporaryDirectory() as folder:
        scene, area = Path(folder) / "scene.tif", Path(folder) / "area.geojson"
        if options.kind == "sparse":
            write_sparse(scene, area, size, options.data)
            if options.whole:
                area.unlink()
        else:
            write_strip(scene, size, options.bands)
        # in another process, whose memory holds nothing of the writing
        command = [sys.executable, __file__, options.kind, "--scene", str(scene), "--bands", str(options.bands)]
        done = subprocess.run([*command, "--rows", str(options.rows), "--limit", str(options.limit)], check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
