"""Draw a map of true positives, false negatives and false positives for each scene, without imagery.

    uv run python scripts/draw_outcomes.py FOLDER... --out outcomes.png

FOLDER contains the files that `geoships evaluate --ships` or `geoships crossval` wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas
from matplotlib.figure import Figure
from matplotlib.patches import Patch

COLOURS = {"right": "#1a7f37", "missed": "#d97706", "false": "#c8102e", "ignored": "#9aa3ad"}
COLUMNS = 5
PANEL = 3.8  # inches


def draw(files: list[Path], out: Path) -> None:
    """Draw one panel per scene, north up, in kilometres."""
    columns = min(COLUMNS, len(files))
    rows = -(-len(files) // columns)
    figure = Figure((columns * PANEL, rows * PANEL + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, file in zip(panels, files, strict=False):
        ships = geopandas.read_file(file)
        ships = ships.to_crs(ships.estimate_utm_crs())
        ships.geometry = ships.translate(-ships.total_bounds[0], -ships.total_bounds[1]).scale(
            1e-3, 1e-3, origin=(0, 0)
        )
        for outcome, colour in COLOURS.items():
            selected = ships[ships.outcome == outcome]
            if len(selected):
                selected.plot(ax=panel, facecolor=colour, edgecolor=colour, linewidth=1.5)
        counts = ", ".join(f"{int((ships.outcome == name).sum())} {name}" for name in COLOURS)
        panel.set_title(f"{file.stem}\n{counts}", fontsize=8)
        panel.set_xlabel("kilometres", fontsize=7)
        panel.set_ylabel("")
        panel.tick_params(labelsize=7)
        panel.set_aspect("equal", adjustable="datalim")
    for panel in panels[len(files) :]:
        panel.set_axis_off()
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in COLOURS.items()],
        ncols=4,
        loc="outside lower center",
    )
    figure.savefig(out, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    draw(
        sorted((file for folder in options.folders for file in folder.glob("*.geojson")), key=lambda file: file.stem),
        options.out,
    )


if __name__ == "__main__":
    main()
