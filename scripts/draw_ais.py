"""Draw the picture of docs/how-to/ais.md: the ships of a synthetic day by answer, and where AIS is received.

uv run python scripts/draw_ais.py --out docs/ais.png
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from geoships.ais.match import match_ais
from geoships.ais.report import draw_map

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from ais_day import make_day

COLOURS = 64  # of the picture: a smaller file


def draw(out: Path, vessels: int, seed: int) -> None:
    day = make_day(vessels, hours=4.5, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "day.parquet"
        day.messages.to_parquet(feed)
        match = match_ais(day.ships, feed)
    picture = BytesIO()
    draw_map(match).savefig(picture, format="png", dpi=90)
    Image.open(picture).convert("RGB").quantize(COLOURS).save(out, optimize=True)
    counts = {state: match.summary[state] for state in ("matched", "dark", "unknown")}
    print(f"{counts} -> {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vessels", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    draw(options.out, options.vessels, options.seed)


if __name__ == "__main__":
    main()
