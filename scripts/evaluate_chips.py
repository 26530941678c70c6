"""Evaluate a segmentation model on labelled chips: detection of ships and false alarms.

    uv run python scripts/evaluate_chips.py BUNDLE SHIPSNET/images --gsd 3 5

CHIPS contains a folder per label, `ship` and `no-ship`, with RGB images of 3 m GSD. They are downsampled to the other
GSDs. A ship chip is right if a detection intersects its centre, half of its rows and columns; a chip without a ship is
right if no detection does.
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


def detects(bundle: Bundle, chip: Path, gsd: float, threshold: float | None, views: int | None) -> bool:
    """Return whether a ship is detected in the centre of a chip that is resampled to a GSD."""
    image = cv2.imread(str(chip))
    assert image is not None, chip
    side = round(len(image) * CHIP_GSD / gsd)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.png"
        cv2.imwrite(str(path), cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))
        ships = predict(path, config=predict_config(gsd=gsd, threshold=threshold, views=views), model=bundle).ships
    centre = shapely.box(side / 4, side / 4, side * 3 / 4, side * 3 / 4)
    return bool(ships.geometry.intersects(centre).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("chips", type=Path)
    parser.add_argument("--gsd", type=float, nargs="+", default=[3.0, 5.0])
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--views", type=int)
    parser.add_argument("--every", type=int, default=1, help="use every n-th chip only")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    for gsd in options.gsd:
        for label, expected in (("ship", True), ("no-ship", False)):
            chips = sorted((options.chips / label).glob("*.png"))[:: options.every]
            right = sum(detects(bundle, chip, gsd, options.threshold, options.views) == expected for chip in chips)
            print(
                f"{gsd:g} m, {label}: right on {right} of {len(chips)} ({100 * right / len(chips):.1f} %)", flush=True
            )


if __name__ == "__main__":
    main()
