"""Draw the picture of docs/how-to/observed.md: what was seen of the rendered harbour, told by brightness.

uv run python scripts/draw_observed.py --out docs/observed.png

Without geoships[cloudmask], whose networks would be used instead.
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from PIL import Image

from geoships import predict
from geoships.datasets.harbour import render_harbour, write_harbour

COLOURS = {"sea": "#0072b2", "land": "#8a6d3b", "cloud": "#ff40c0", "shadow": "#444444", "no data": "#000000"}
SHADES = 256  # colours of the picture: a smaller file


def draw(out: Path, size: int, seed: int) -> None:
    harbour = render_harbour(seed, size)
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_harbour(harbour, scene)
        result = predict(scene, model="sentinel2-5band", observed=True)
    plain = np.clip(np.moveaxis(harbour.reflectance[[2, 1, 0]], 0, -1) / 0.35, 0, 1) ** 0.7
    corner = harbour.transform @ (0, 0), harbour.transform @ (size, size)
    extent = (corner[0][0], corner[1][0], corner[1][1], corner[0][1])
    figure, pair = plt.subplots(1, 2, figsize=(11, 5.9), layout="constrained")
    for axes in pair:
        axes.imshow(plain, extent=extent)
        axes.set_axis_off()
    assert result.observed is not None
    areas = result.observed.set_index("kind").km2
    handles = []
    for kind, square in areas.items():
        result.observed[result.observed.kind == kind].plot(ax=pair[1], color=COLOURS[kind], alpha=0.55, linewidth=0)
        handles.append(Patch(color=COLOURS[kind], alpha=0.55, label=f"{kind}: {square:.1f} km²"))
    result.ships.boundary.plot(ax=pair[1], color="#00ff66", linewidth=1.6)
    handles.append(Patch(fill=False, edgecolor="#00ff66", label="ship"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    Image.open(picture).convert("RGB").quantize(SHADES, Image.Quantize.FASTOCTREE).save(out, optimize=True)
    print(result.observed_summary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    draw(options.out, options.size, options.seed)


if __name__ == "__main__":
    main()
