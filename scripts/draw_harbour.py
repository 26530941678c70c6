"""Draw the pictures of the rendered harbour: what was seen of it, told by brightness, and the layers of its ships.

uv run python scripts/draw_harbour.py observed --out docs/observed.png # of docs/how-to/observed.md
uv run python scripts/draw_harbour.py layers --out docs/layers.png     # of docs/how-to/convert.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from geoships import predict
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.output.rectangles import points_of, rectangles_of
from geoships.pipeline.predict import Prediction

COLOURS = {"sea": "#0072b2", "land": "#8a6d3b", "cloud": "#ff40c0", "shadow": "#444444", "no data": "#000000"}

Show = Callable[[Axes], Any]  # draws the scene


def draw_observed(found: Prediction, show: Show) -> Figure:
    """The harbour, and beside it what was seen."""
    assert found.observed is not None
    figure, (plain, axes) = plt.subplots(1, 2, figsize=(11, 5.9), layout="constrained")
    for each in (plain, axes):
        show(each)
    handles = []
    for kind, square in found.observed.set_index("kind").km2.items():
        found.observed[found.observed.kind == kind].plot(ax=axes, color=COLOURS[kind], alpha=0.55, linewidth=0)
        handles.append(Patch(color=COLOURS[kind], alpha=0.55, label=f"{kind}: {square:.1f} km²"))
    found.ships.boundary.plot(ax=axes, color="#00ff66", linewidth=1.6)
    handles.append(Patch(fill=False, edgecolor="#00ff66", label="ship"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def draw_layers(found: Prediction, show: Show) -> Figure:
    """Outlines, rectangles and points around the longest ship."""
    ships = found.ships
    figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
    show(axes)
    middle = ships.loc[ships.length_m.idxmax()].geometry.centroid
    rectangles_of(ships).boundary.plot(ax=axes, color="#e69f00", linewidth=1.5)
    ships.boundary.plot(ax=axes, color="#ffffff", linewidth=1)
    points_of(ships).plot(ax=axes, color="#56b4e9", markersize=14, zorder=3)
    axes.set(xlim=(middle.x - 700, middle.x + 700), ylim=(middle.y - 500, middle.y + 500))
    handles = [Line2D([], [], color="#bbbbbb", label="outline"), Line2D([], [], color="#e69f00", label="rectangle"),
               Line2D([], [], color="#56b4e9", marker="o", linestyle="", label="point")]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


PICTURES = {"observed": (draw_observed, 256), "layers": (draw_layers, 128)}  # and how many colours the file has


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", choices=PICTURES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    harbour = render_harbour(options.seed, options.size)
    sys.modules["ukis_csmask"] = None  # type: ignore[assignment] # as if it were not there: brightness tells clouds
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_harbour(harbour, scene)
        found = predict(scene, model="sentinel2-5band", observed=True)
    plain = np.clip(np.moveaxis(harbour.reflectance[[2, 1, 0]], 0, -1) / 0.35, 0, 1) ** 0.7
    (left, top), (right, bottom) = (harbour.transform @ corner for corner in ((0, 0), (options.size, options.size)))

    def show(axes: Axes) -> None:
        axes.imshow(plain, extent=(left, right, bottom, top))
        axes.set_axis_off()

    draw, colours = PICTURES[options.picture]
    picture = BytesIO()
    draw(found, show).savefig(picture, format="png", dpi=80)
    Image.open(picture).convert("RGB").quantize(colours, Image.Quantize.FASTOCTREE).save(options.out, optimize=True)
    print(f"{len(found.ships)} ships; {found.observed_summary} -> {options.out}")


if __name__ == "__main__":
    main()
