"""Write a mosaic of real scenes, cut and repeated to a given size: a dense scene as large as a Sentinel-2 tile.

    uv run python benchmarks/harbour_mosaic.py SEN2SHIPS/images mosaic.tif --size 10980

The scenes have the same bands and number type. Its position has no meaning.
"""

from __future__ import annotations

import argparse
from itertools import cycle
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

BAND_ROWS = 900  # rows of each strip of the mosaic; lower scenes are mirrored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=10_980, help="rows and columns")
    options = parser.parse_args()
    images = []
    for path in sorted(options.folder.glob("*.tif")):
        with rasterio.open(path) as dataset:
            images.append(dataset.read())
            profile, descriptions = dataset.profile, dataset.descriptions
    size = options.size
    mosaic = np.zeros((len(images[0]), size, size), images[0].dtype)
    following = cycle(images)
    for row in range(0, size, BAND_ROWS):
        column, rows = 0, min(BAND_ROWS, size - row)
        while column < size:
            image = next(following)
            strip = np.concatenate([image, image[:, ::-1]], 1)[:, :rows, : size - column]
            mosaic[:, row : row + strip.shape[1], column : column + strip.shape[2]] = strip
            column += strip.shape[2]
    profile.update(
        driver="GTiff", height=size, width=size, tiled=True, blockxsize=512, blockysize=512, compress="deflate",
        predictor=2, bigtiff="yes", crs="EPSG:32631", transform=Affine(10, 0, 3e5, 0, -10, 6e6),
    )  # fmt: skip
    with rasterio.open(options.out, "w", **profile) as dataset:
        dataset.write(mosaic)
        dataset.descriptions = descriptions


if __name__ == "__main__":
    main()
