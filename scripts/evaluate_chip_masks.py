"""Evaluate a segmentation model on chips with reviewed masks: agreement of outlines, and detection of ships.

    uv run python scripts/evaluate_chip_masks.py runs/rgb3m-cv CHIPS MASKS --out metrics.json
    uv run python scripts/evaluate_chip_masks.py runs/rgb3m/bundle CHIPS MASKS --part part-1

CHIPS is the folder that `geoships data chip-masks CHIPS --out MASKS` has read. The first argument is the folder of a
cross-validation, whose models are evaluated on the parts that they were not trained on, or a bundle. The chips of a
part are predicted with `predict_chips`, like `geoships predict FOLDER`, under names with a fictitious location, and
their outlines are converted back to pixels. Chips with an approved or corrected mask and chips without a ship are
evaluated; doubtful chips and automatic masks that were not reviewed are left out.

IoU and Dice (at 3 m GSD) are means over chips with a ship, and over all pixels of all chips. A ship is detected if its
outline and mask have an IoU of at least 0.5 (or, less strictly, touch); an empty chip is right if nothing is detected.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import geopandas
import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from geoships.config import PredictConfig
from geoships.datasets.chip_outlines import APPROVED, CORRECTED
from geoships.datasets.shipsnet import NamedChip, parse_name
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle
from geoships.workflows.chip_masks import EMPTY, INDEX
from geoships.workflows.crossval import finished_folds
from geoships.workflows.predict_chips import chip_grid, predict_chips

EVALUATED = (APPROVED, CORRECTED, EMPTY)
TARGETS = {"iou": 0.7, "dice": 0.8}


@dataclass(frozen=True)
class ChipResult:
    """Pixel counts of one chip: of the mask, of the detections, and of their intersection."""

    file: str
    part: str
    truth: int
    found: int
    both: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 if both are empty."""
        union = self.truth + self.found - self.both
        return self.both / union if union else 1.0


def read_index(masks: Path) -> list[dict[str, str]]:
    """Return the rows of the index with chips to evaluate."""
    with (masks / INDEX).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["source"] in EVALUATED]


def evaluate(
    bundle: str, rows: Sequence[dict[str, str]], chips: Path, masks: Path, config: PredictConfig
) -> list[ChipResult]:
    """Evaluate one bundle on the chips of some rows of the index."""
    with tempfile.TemporaryDirectory(prefix="geoships-") as scratch:
        folder = Path(scratch) / "chips"
        folder.mkdir()
        truths: dict[str, tuple[dict[str, str], NDArray[np.bool_]]] = {}
        for number, row in enumerate(rows):
            truth = cv2.imread(str(masks / row["mask"]), cv2.IMREAD_GRAYSCALE)
            image = cv2.imread(str(chips / row["file"]))
            if truth is None or image is None:
                raise GeoshipsError(f"cannot read {chips / row['file']} or {masks / row['mask']}")
            name = NamedChip(int(row["label"]), str(number), round(0.5 + number * 0.01, 2), 0.5).file
            size = (truth.shape[1], truth.shape[0])
            cv2.imwrite(str(folder / name), image if image.shape[1::-1] == size else cv2.resize(image, size))
            truths[name] = row, truth == 1
        settings = config.model_copy(update={"model": bundle})
        table = predict_chips(folder, Path(scratch) / "ships.geojson", config=settings).chips
        shapes = dict(zip(table["file"], zip(table["shapes"], table.to_crs(4326).geometry, strict=True), strict=True))
        return [_compare(name, *truths[name], *shapes[name]) for name in truths]


def _compare(name: str, row: dict[str, str], truth: NDArray[np.bool_], ships: int, shape: object) -> ChipResult:
    found = np.zeros(truth.shape, np.uint8)
    if ships:
        named = parse_name(name)
        assert named
        crs, transform = chip_grid(named, (truth.shape[0], truth.shape[1]))
        outline = geopandas.GeoSeries([shape], crs=4326).to_crs(crs).iloc[0]
        found = rasterize([outline], truth.shape, transform=transform, dtype="uint8")
    return ChipResult(
        row["file"], row["part"], int(truth.sum()), int((found > 0).sum()), int((truth & (found > 0)).sum())
    )


def figures(chips: Iterable[ChipResult]) -> dict[str, float | int]:
    """Return metrics: means over chips with a ship, of all pixels together, and counts of detections."""
    chips = list(chips)
    ships, empty = [chip for chip in chips if chip.truth], [chip for chip in chips if not chip.truth]
    both, truth, found = (sum(getattr(chip, name) for chip in chips) for name in ("both", "truth", "found"))
    return {
        "ships": len(ships),
        "mean_iou": round(float(np.mean([chip.iou for chip in ships])), 4) if ships else 0.0,
        "mean_dice": round(float(np.mean([2 * c.both / (c.truth + c.found) for c in ships])), 4) if ships else 0.0,
        "iou": round(both / max(1, truth + found - both), 4),
        "dice": round(2 * both / max(1, truth + found), 4),
        "found": sum(chip.iou >= 0.5 for chip in ships),
        "touched": sum(chip.both > 0 for chip in ships),
        "empty": len(empty),
        "empty_right": sum(not chip.found for chip in empty),
    }


def markdown_table(by_part: dict[str, dict[str, float | int]]) -> str:
    """Return the metrics of each part and of all chips in Markdown."""
    lines = [
        "| part | mean IoU | mean Dice | IoU of all pixels | Dice | ships found | touched | empty chips right |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, f in by_part.items():
        lines.append(
            f"| {name} | {f['mean_iou']:.3f} | {f['mean_dice']:.3f} | {f['iou']:.3f} | {f['dice']:.3f} "
            f"| {f['found']} of {f['ships']} | {f['touched']} | {f['empty_right']} of {f['empty']} |"
        )
    return "\n".join(lines)


def models(path: str, rows: Sequence[dict[str, str]], parts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return bundles and the parts to evaluate each on; by default, parts that it was not trained on."""
    if folds := finished_folds(Path(path)):
        return {
            str(Path(path) / fold.name / "bundle"): tuple(Path(entry.scene).stem for entry in fold.held_out)
            for fold in folds
        }
    known = sorted({row["part"] for row in rows})
    trained_on = set(load_bundle(path).card.trained_on)
    selected = (
        tuple(part for part in known if part in parts) if parts else tuple(p for p in known if p not in trained_on)
    )
    if not selected:
        raise GeoshipsError(
            f"{path} was trained on all of {', '.join(known)}; choose one with --part to evaluate it anyway"
        )
    return {path: selected}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a cross-validation, or a bundle")
    parser.add_argument("chips", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--part", action="append", default=[], help="evaluate a bundle on this part; can be repeated")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--min-peak", type=float)
    parser.add_argument("--views", type=int, choices=(1, 2, 4, 8))
    parser.add_argument("--out", type=Path, help="JSON file of the metrics and of every chip")
    options = parser.parse_args()
    given = {"threshold": options.threshold, "min_peak": options.min_peak, "views": options.views}
    config = PredictConfig(**{name: value for name, value in given.items() if value is not None})
    rows = read_index(options.masks)
    results: list[ChipResult] = []
    for bundle, parts in models(options.model, rows, options.part).items():
        held_out = [row for row in rows if row["part"] in parts]
        results += evaluate(bundle, held_out, options.chips, options.masks, config)
    by_part = {part: figures(c for c in results if c.part == part) for part in sorted({c.part for c in results})}
    by_part["all"] = figures(results)
    print(markdown_table(by_part))
    for name, target in TARGETS.items():
        value = by_part["all"][f"mean_{name}"]
        print(f"mean {name}: {value:.3f}, target {target}: {'reached' if value >= target else 'not reached'}")
    if options.out:
        options.out.write_text(json.dumps({**by_part, "chips": [chip.__dict__ for chip in results]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
