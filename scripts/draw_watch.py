"""Draw the picture of docs/how-to/watch.md: pictures that messages of a watch carry, of a rendered harbour.

uv run python scripts/draw_watch.py --out docs/watch.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.watch.chips import SIDE, ChipMaker

SHOWN, MARGIN = 3, 12


def draw(out: Path, seed: int) -> None:
    harbour = render_harbour(seed=seed, size=512)
    ships = sorted(harbour.ships, key=lambda each: -each.area)
    sheet = Image.new("RGB", (SHOWN * SIDE + (SHOWN - 1) * MARGIN, SIDE), "white")
    with tempfile.TemporaryDirectory() as name:
        path, picture = Path(name) / "harbour.tif", Path(name) / "chip.png"
        write_harbour(harbour, path)
        with ChipMaker(str(path), 800.0) as maker:
            for number, outline in enumerate(ships[:: max(1, len(ships) // SHOWN)][:SHOWN]):
                maker.write(picture, outline)
                with Image.open(picture) as chip:
                    sheet.paste(chip, (number * (SIDE + MARGIN), 0))
    sheet.quantize(128).save(out, optimize=True)
    print(f"{SHOWN} of {len(ships)} ships -> {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    draw(options.out, options.seed)


if __name__ == "__main__":
    main()
