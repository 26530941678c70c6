"""Judge a bundle that scores pixels on labelled chips: whether it finds the ships, and nothing else.

    uv run python scripts/judge_chips.py BUNDLE SHIPSNET/images --gsd 3 5

CHIPS holds a folder for each label, `ship` and `no-ship`, with RGB pictures of 3 m pixels. They are also shrunk to the
other pixel sizes. A ship chip is right when a found ship covers some of its middle, the half of its rows and columns
around the centre; a chip without a ship when none does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import shapely

from geoships import load_bundle, predict
from geoships.config import predict_config
from geoships.model.bundle import Bundle

CHIP_GSD = 3.0  # metres


def finds(bundle: Bundle, chip: Path, gsd: float, threshold: float | None, views: int | None) -> bool:
    """Whether a ship is found in the middle of a chip that is brought to a pixel size."""
    picture = cv2.imread(str(chip))
    assert picture is not None, chip
    side = round(len(picture) * CHIP_GSD / gsd)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.png"
        cv2.imwrite(str(path), cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))
        ships = predict(path, config=predict_config(gsd=gsd, threshold=threshold, views=views), model=bundle).ships
    middle = shapely.box(side / 4, side / 4, side * 3 / 4, side * 3 / 4)
    return bool(ships.geometry.intersects(middle).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("chips", type=Path)
    parser.add_argument("--gsd", type=float, nargs="+", default=[3.0, 5.0])
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--views", type=int)
    parser.add_argument("--every", type=int, default=1, help="take every n-th chip only")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    for gsd in options.gsd:
        for label, wanted in (("ship", True), ("no-ship", False)):
            chips = sorted((options.chips / label).glob("*.png"))[:: options.every]
            right = sum(finds(bundle, chip, gsd, options.threshold, options.views) == wanted for chip in chips)
            print(
                f"{gsd:g} m, {label}: right on {right} of {len(chips)} ({100 * right / len(chips):.1f} %)", flush=True
            )


if __name__ == "__main__":
    main()
