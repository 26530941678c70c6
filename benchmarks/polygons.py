"""Vectorization of scores: geoships' ship builder, which reads row bands, and libraries that need the whole mask.

    uv run python benchmarks/polygons.py [--size 4096] [--share 0.005]

Prints CPU time in nanoseconds per pixel of the scene. Only the first two give exact outlines; only the first keeps no
more than a few rows in memory. cc3d is included if it is installed (connected-components-3d).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
import rasterio.features
from numpy.typing import NDArray
from scipy import ndimage

from geoships.output.ships import ShipBuilder
from geoships.output.stitch import RowBand

BAND = 256  # rows
THRESHOLD = 0.5


def scores(size: int, share: float) -> NDArray[np.float32]:
    """Smooth noise (size, size), with the given share of pixels over the threshold."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), 3)
    high = np.quantile(noise[::8, ::8], 1 - share)
    return np.asarray(1 / (1 + np.exp((high - noise) * 40)), np.float32)


def built(values: NDArray[np.float32]) -> int:
    builder = ShipBuilder(values.shape[1], THRESHOLD)
    valid = np.ones((BAND, values.shape[1]), np.bool_)
    count = 0
    for row in range(0, len(values), BAND):
        part = values[row : row + BAND]
        count += len(list(builder.feed(RowBand(row, part, valid[: len(part)]))))
    return count + len(list(builder.finish()))


def shapes(values: NDArray[np.float32]) -> int:
    mask = (values >= THRESHOLD).astype(np.uint8)
    return len(list(rasterio.features.shapes(mask, mask == 1, 8)))


def opencv(values: NDArray[np.float32]) -> int:
    mask = (values >= THRESHOLD).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.connectedComponentsWithStats(mask, connectivity=8)[0] - 1 if outlines else 0


def scipy(values: NDArray[np.float32]) -> int:
    labels, count = ndimage.label(values >= THRESHOLD, np.ones((3, 3)))
    ndimage.mean(values, labels, range(1, count + 1))
    return int(count)


def cc3d_labels(values: NDArray[np.float32]) -> int:
    import cc3d

    labels, count = cc3d.connected_components(values >= THRESHOLD, connectivity=8, return_N=True)
    cc3d.statistics(labels)
    return int(count)


METHODS: dict[str, Callable[[NDArray[np.float32]], int]] = {
    "geoships, polygons and sums": built,
    "rasterio.features.shapes, polygons": shapes,
    "OpenCV, contours and sums": opencv,
    "scipy, labels and means": scipy,
    "cc3d, labels and sums": cc3d_labels,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--share", type=float, default=0.005, help="share of pixels over the threshold")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    values = scores(options.size, options.share)
    print("| way | ns a pixel | found |\n| --- | --- | --- |")
    for name, method in METHODS.items():
        times = []
        try:
            for _ in range(options.rounds):
                started = time.process_time()
                count = method(values)
                times.append(time.process_time() - started)
        except ImportError as error:
            print(f"| {name} | - | {error.name} is not installed |")
            continue
        print(f"| {name} | {min(times) / values.size * 1e9:.1f} | {count} |")


if __name__ == "__main__":
    main()
