"""Measures how well geoships.measure_motion finds the known motion of rendered ships and aircraft.

uv run python benchmarks/motion.py --ships 400 --seed 0
uv run python benchmarks/motion.py --ships 200 --backgrounds ../scenes  # on real sea
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from motion_scenes import BANDS, PIXEL, TIMES, Craft, Rendered, render

from geoships.motion.measure import measure_motion
from geoships.motion.settings import MotionSettings

SPACING = 96
GRID = Affine(PIXEL, 0, 500_000, 0, -PIXEL, 4_000_000)
DELAYS = ",".join(f"{band}={second}" for band, second in zip(BANDS, TIMES, strict=True))


def crafts(rng: np.random.Generator, count: int) -> list[Craft]:
    """Ships of all lengths and speeds, a fifth of them moored; a tenth are aircraft."""
    found = []
    for number in range(count):
        if number % 10 == 9:
            found.append(Craft(rng.uniform(25, 70), 6, rng.uniform(0, 360), rng.uniform(90, 320), aircraft=True))
            continue
        length = float(np.exp(rng.uniform(np.log(20), np.log(330))))
        speed = 0.0 if rng.random() < 0.2 else rng.uniform(1, 16 if length > 40 else 30)
        wake = rng.choice([0, 2, 6]) if speed > 2 else 0
        found.append(Craft(length, max(5, length / rng.uniform(5, 8)), rng.uniform(0, 360), speed, wake))
    return found


def write_scene(path: Path, scene: Rendered) -> geopandas.GeoDataFrame:
    """Write a rendered scene as integers of 1/10,000, as products hold them; returns its ships."""
    stored = np.clip(np.round(scene.values * 10_000 + 1_000), 1, 65_535).astype("uint16")
    with rasterio.open(
        path, "w", driver="GTiff", height=stored.shape[1], width=stored.shape[2], count=len(BANDS), dtype="uint16",
        crs="EPSG:32631", transform=GRID, tiled=True, blockxsize=256, blockysize=256,
    ) as dataset:  # fmt: skip
        dataset.write(stored)
        dataset.descriptions = BANDS
        dataset.scales, dataset.offsets = (1e-4,) * len(BANDS), (-0.1,) * len(BANDS)
    outlines = geopandas.GeoSeries(scene.outlines).affine_transform(GRID.to_shapely())
    return geopandas.GeoDataFrame({"id": range(len(outlines))}, geometry=outlines, crs="EPSG:32631")


def seas(folder: Path, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Open water of the scenes in a folder that have the four bands, in reflectance, (bands, rows, columns)."""
    files = sorted(folder.glob("*.tif"))
    while True:
        with rasterio.open(files[rng.integers(len(files))]) as dataset:
            names = [str(each) for each in dataset.descriptions]
            picked = [names.index(name) + 1 for name in ("B02", "B03", "B04", "B08")]
            for _ in range(40):
                row, column = rng.integers(dataset.height - SPACING), rng.integers(dataset.width - SPACING)
                window = rasterio.windows.Window(column, row, SPACING, SPACING)
                values = dataset.read(picked, window=window) / 65_535.0
                if (values > 0).all() and values[3].max() < 0.06 and np.ptp(values[1]) < 0.04:
                    yield values
                    break


def measure(rng: np.random.Generator, count: int, sea: Iterator[np.ndarray] | None) -> pd.DataFrame:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, 20):
            part = crafts(rng, min(20, count - start))
            background = np.concatenate([next(sea) for _ in part], axis=2) if sea else None
            scene = render(rng, part, spacing=SPACING, waves=rng.choice([0.001, 0.003, 0.006]), background=background)
            frame = write_scene(Path(folder) / "scene.tif", scene)
            started = time.perf_counter()
            found = measure_motion(frame, Path(folder) / "scene.tif", MotionSettings(delays=DELAYS)).ships
            seconds = (time.perf_counter() - started) / len(part)
            rows += [
                {**vars(craft), "seconds": seconds, **row}
                for craft, row in zip(part, found.to_dict("records"), strict=True)
            ]
    return pd.DataFrame(rows)


def report(table: pd.DataFrame) -> None:
    ships, planes = table[~table["aircraft"]], table[table["aircraft"]]
    turned = np.abs((ships["course_deg"].astype(float) - ships["heading"] + 180) % 360 - 180)
    held = (ships["speed_low_ms"] <= ships["speed"]) & (ships["speed"] <= ships["speed_high_ms"])
    error = (ships["speed_ms"].astype(float) - ships["speed"]).abs()
    head = "length, m", "speed, m/s", "ships", "answered", "moving", "right way", "wrong way", "median error, m/s"
    print(f"| {' | '.join(head)} | in interval | width, m/s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for low, high in ((20, 60), (60, 120), (120, 330), (60, 330), (20, 330)):
        for slow, fast in ((0, 0.01), (0.01, 5), (5, 30)):
            k = (ships["length"] >= low) & (ships["length"] < high) & (ships["speed"] >= slow) & (ships["speed"] < fast)
            if not k.any():
                continue
            answered = k & ships["motion"].isin(["moving", "still"])
            moving = k & (ships["motion"] == "moving")
            width = (ships["speed_high_ms"] - ships["speed_low_ms"])[answered].median()
            print(
                f"| {low} to {high} | {slow:g} to {fast:g} | {k.sum()} | {answered.sum()} | {moving.sum()} "
                f"| {(turned[k] < 90).mean():.1%} | {(turned[k] > 90).mean():.1%} | {error[moving].median():.2f} "
                f"| {held[answered].mean():.1%} | {width:.1f} |"
            )
    measured = ships["motion"].isin(["moving", "still"])
    print(f"all measured ships: {held[measured].mean():.1%} in their interval of 90 %")
    if len(planes):
        print(
            f"aircraft: {(planes['motion'] == 'aircraft').sum()} of {len(planes)} flagged; "
            f"ships flagged as aircraft: {(ships['motion'] == 'aircraft').sum()} of {len(ships)}"
        )
    print(f"{table['seconds'].mean() * 1000:.0f} ms a ship")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ships", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backgrounds", type=Path, help="folder of scenes with B02, B03, B04 and B08, for real sea")
    parser.add_argument("--out", type=Path, help="table of all ships (.csv)")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    table = measure(rng, options.ships, seas(options.backgrounds, rng) if options.backgrounds else None)
    report(table)
    if options.out:
        table.to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
