"""Draw a map of what `geoships fixed` found: berths, what lay still, structures, and all other ships.

uv run python scripts/draw_places.py fixed.gpkg --out docs/fixed.png --title "Burrard Inlet" --box -124 49 -122 50
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import geopandas
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from PIL import Image

COLOURS = {"berth": "#0072b2", "still": "#e69f00", "structure": "#d55e00", "": "#999999"}
LABELS = {"berth": "berth, darker where it is occupied more often", "still": "lay still", "structure": "structure",
          "": "other ship"}  # fmt: skip
NOTICE = "contains modified Copernicus Sentinel data 2019 and 2020"


def draw(file: Path, out: Path, title: str, box: list[float] | None) -> None:
    tables = {
        "structure": geopandas.read_file(file, layer=file.stem),
        **{kind: geopandas.read_file(file, layer=layer) for kind, layer in (("still", "still"), ("berth", "berths"))},
    }
    ships = geopandas.read_file(file, layer="ships")
    if box:
        tables = {kind: table.cx[box[0] : box[2], box[1] : box[3]] for kind, table in tables.items()}
        ships = ships.cx[box[0] : box[2], box[1] : box[3]]
    crs = ships.estimate_utm_crs()
    figure, axes = plt.subplots(figsize=(10, 6), layout="constrained")
    berths = tables["berth"].to_crs(crs)
    if len(berths):
        grown = berths.geometry.buffer(40)
        shades = 0.15 + 0.6 * berths["occupied"].to_numpy()
        for shape, shade in zip(grown, shades, strict=True):
            axes.fill(*np.array(shape.exterior.xy) / 1000, color=COLOURS["berth"], alpha=float(shade), linewidth=0)
    for kind, colour in COLOURS.items():
        own = ships[ships["place"].fillna("") == kind].to_crs(crs)
        for shape in own.geometry.explode(index_parts=False):
            axes.fill(*np.array(shape.exterior.xy) / 1000, facecolor="none", edgecolor=colour, linewidth=1)
    axes.set(aspect="equal", title=title, xlabel="km east", ylabel="km north")
    counts = {kind: len(table) for kind, table in tables.items()} | {"": int(ships["place"].isna().sum())}
    handles = [Patch(color=COLOURS[kind], alpha=0.7, label=f"{counts[kind]} x {LABELS[kind]}") for kind in COLOURS]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, title=NOTICE)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    Image.open(picture).convert("RGB").quantize(128).save(out, optimize=True)
    print(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--title", default="")
    parser.add_argument("--box", type=float, nargs=4, metavar=("WEST", "SOUTH", "EAST", "NORTH"))
    options = parser.parse_args()
    draw(options.file, options.out, options.title, options.box)


if __name__ == "__main__":
    main()
