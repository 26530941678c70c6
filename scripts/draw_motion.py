"""Draw the picture of docs/how-to/motion.md: rendered ships, and the motion that was measured from their bands.

uv run python scripts/draw_motion.py --out docs/motion.png
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from geoships.motion.measure import measure_motion
from geoships.motion.settings import MotionSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from motion import DELAYS, write_scene
from motion_scenes import Craft, render

SPACING = 84
CRAFTS = (
    Craft(180, 28, 40, 9, wake=3),
    Craft(90, 15, 250, 7),
    Craft(120, 20, 160, 0),
    Craft(300, 45, 310, 12, wake=6),
    Craft(60, 10, 95, 14, wake=3),
    Craft(45, 6, 120, 210, aircraft=True),
)
COLOURS = 96  # of the picture: a smaller file
SHOWN = (3, 1, 0)  # near infrared, green and blue as red, green and blue
ARROW = 0.25  # of the picture's width


def caption(row: pd.Series, craft: Craft) -> str:
    truth = f"true: {craft.speed:.0f} m/s, {craft.heading:.0f}°" if craft.speed else "true: moored"
    if row["motion"] == "still":
        return f"still, at most {row['speed_high_ms']:.1f} m/s\n{truth}"
    interval = f"{row['speed_low_ms']:.1f} to {row['speed_high_ms']:.1f}"
    speed = f"{row['speed_ms']:.1f} m/s ({interval}), {row['course_deg']:.0f}°"
    return f"{'aircraft, ' if craft.aircraft else ''}{speed}\n{truth}"


def draw(out: Path, seed: int) -> None:
    scene = render(np.random.default_rng(seed), CRAFTS, spacing=SPACING)
    with tempfile.TemporaryDirectory() as folder:
        frame = write_scene(Path(folder) / "scene.tif", scene)
        found = measure_motion(frame, Path(folder) / "scene.tif", MotionSettings(delays=DELAYS)).ships
    figure = Figure((9, 6.6), layout="constrained")
    for number, (axes, craft) in enumerate(zip(figure.subplots(2, 3).ravel(), CRAFTS, strict=True)):
        part = scene.values[list(SHOWN), :, number * SPACING : (number + 1) * SPACING]
        low, high = np.percentile(part, 20, axis=(1, 2)), np.percentile(part, 99.6, axis=(1, 2))
        shown = np.clip((part - low[:, None, None]) / (high - low)[:, None, None], 0, 1)
        axes.imshow(shown.transpose(1, 2, 0), interpolation="nearest")
        row = found.iloc[number]
        if np.isfinite(row["course_deg"]):
            angle = np.radians(row["course_deg"])
            way = np.array([np.sin(angle), -np.cos(angle)]) * SPACING * ARROW
            start = np.array([0.16, 0.84]) * SPACING - way / 2
            axes.annotate(
                "", start + way, start, arrowprops={"arrowstyle": "-|>", "color": "#e69f00", "linewidth": 2.5}
            )
        axes.set_title(caption(row, craft), fontsize=9)
        axes.set_axis_off()
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=90)
    Image.open(picture).convert("RGB").quantize(COLOURS).save(out, optimize=True)
    print(f"{found['motion'].tolist()} -> {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    draw(options.out, options.seed)


if __name__ == "__main__":
    main()
