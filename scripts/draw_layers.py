"""Draw the picture of docs/how-to/convert.md: outlines, rectangles and points of ships in the rendered harbour.

uv run python scripts/draw_layers.py --out docs/layers.png
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from PIL import Image

from geoships import predict
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.output.rectangles import points_of, rectangles_of


def draw(out: Path, size: int, seed: int) -> None:
    harbour = render_harbour(seed, size)
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_harbour(harbour, scene)
        ships = predict(scene, model="sentinel2-5band").ships
    plain = np.clip(np.moveaxis(harbour.reflectance[[2, 1, 0]], 0, -1) / 0.35, 0, 1) ** 0.7
    (left, top), (right, bottom) = (harbour.transform @ corner for corner in ((0, 0), (size, size)))
    figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
    axes.imshow(plain, extent=(left, right, bottom, top))
    middle = ships.loc[ships.length_m.idxmax()].geometry.centroid
    rectangles_of(ships).boundary.plot(ax=axes, color="#e69f00", linewidth=1.5)
    ships.boundary.plot(ax=axes, color="#ffffff", linewidth=1)
    points_of(ships).plot(ax=axes, color="#56b4e9", markersize=14, zorder=3)
    axes.set(xlim=(middle.x - 700, middle.x + 700), ylim=(middle.y - 500, middle.y + 500))
    axes.set_axis_off()
    handles = [Line2D([], [], color="#bbbbbb", label="outline"), Line2D([], [], color="#e69f00", label="rectangle"),
               Line2D([], [], color="#56b4e9", marker="o", linestyle="", label="point")]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    Image.open(picture).convert("RGB").quantize(128, Image.Quantize.FASTOCTREE).save(out, optimize=True)
    print(f"{len(ships)} ships -> {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    draw(options.out, options.size, options.seed)


if __name__ == "__main__":
    main()
