"""Judge a bundle on labelled scenes, through `geoships.predict` with its default settings.

    uv run python scripts/judge_sentinel2.py BUNDLE DATA --cities busan hedland

A ship is found when a polygon overlaps it; a polygon is right when it overlaps a labelled ship.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
import shapely

from geoships import PredictConfig, load_bundle, predict
from geoships.config import predict_config
from geoships.evaluation.metrics import ObjectCounts, PixelCounts, count_pixels, match_objects
from geoships.model.bundle import Bundle


def judge(bundle: Bundle, image: Path, config: PredictConfig) -> tuple[PixelCounts, ObjectCounts, ObjectCounts]:
    """Pixels, touched ships, and ships matched at IoU 0.3 of one scene."""
    with tempfile.TemporaryDirectory() as folder:
        mask_path = Path(folder) / "mask.tif"
        result = predict(image, mask=mask_path, config=config, model=bundle)
        with rasterio.open(mask_path) as dataset:
            found = dataset.read(1) == 1
    with rasterio.open(image.parents[1] / "masks" / image.name) as dataset:
        true = dataset.read(1) > 0
        shapes = rasterio.features.shapes(true.astype(np.uint8), mask=true, connectivity=8, transform=dataset.transform)
    labels = [shapely.make_valid(shapely.geometry.shape(shape)) for shape, _ in shapes]
    ships = list(result.ships.geometry)
    return count_pixels(found, true), match_objects(ships, labels), match_objects(ships, labels, min_iou=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("data", type=Path)
    parser.add_argument("--cities", nargs="+", required=True)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--min-peak", type=float, help="see `geoships predict --help`")
    parser.add_argument("--views", type=int, help="see `geoships predict --help`")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, for the card")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    config = predict_config(threshold=options.threshold, views=options.views, min_peak=options.min_peak)
    rows = {city: judge(bundle, options.data / "images" / f"{city}.tif", config) for city in options.cities}
    first, *rest = rows.values()
    total = first
    for row in rest:
        total = tuple(a + b for a, b in zip(total, row, strict=True))  # type: ignore[assignment]
    print(
        f"{'city':12} {'IoU':>6} {'Dice':>6} {'ships':>6} {'found':>6} "
        f"{'recall':>7} {'precis.':>7} {'F1':>6} {'F1@.3':>6}"
    )
    figures = {}
    for name, (pixels, touch, overlap) in [*rows.items(), ("all", total)]:
        print(
            f"{name:12} {pixels.iou:6.3f} {pixels.dice:6.3f} {touch.true:6} {touch.found:6} "
            f"{touch.recall:7.3f} {touch.precision:7.3f} {touch.f1:6.3f} {overlap.f1:6.3f}"
        )
        figures[name] = {
            "pixel_iou": round(pixels.iou, 3), "pixel_dice": round(pixels.dice, 3), "labelled_ships": touch.true,
            "found_ships": touch.found, "recall_touched": round(touch.recall, 3),
            "precision_touched": round(touch.precision, 3), "f1_touched": round(touch.f1, 3),
            "f1_iou_0.3": round(overlap.f1, 3),
        }  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
