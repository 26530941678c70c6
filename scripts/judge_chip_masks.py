"""Judge a bundle that outlines ships on chips whose masks were looked at: how well outlines agree, and what is found.

    uv run python scripts/judge_chip_masks.py runs/rgb3m-cv CHIPS MASKS --out judged.json
    uv run python scripts/judge_chip_masks.py runs/rgb3m/bundle CHIPS MASKS --part part-1

CHIPS is the folder that `geoships data chip-masks CHIPS --out MASKS` read. The first argument is the folder of a
cross-validation, whose models each judge the part that they have not seen, or a bundle. Each part's chips go through
`predict_chips`, as `geoships predict FOLDER` does, under names with a made-up place, and the outlines come back as
polygons on the Earth. Judged are chips with a mask that was approved or corrected, and chips without a ship; what is
doubtful, or drawn and never looked at, is left out.

IoU and Dice (pixels of 3 m): the mean over chips with a ship, and of all pixels of all chips together. A ship is found
where the outlines and the mask have an IoU of at least 0.5 (or touch at all); an empty chip is right where nothing is.
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

JUDGED = (APPROVED, CORRECTED, EMPTY)
TARGETS = {"iou": 0.7, "dice": 0.8}


@dataclass(frozen=True)
class Judged:
    """One chip: pixels (counts) of the mask, of the outlines, and of both."""

    file: str
    part: str
    truth: int
    found: int
    both: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where there is nothing and nothing is found."""
        union = self.truth + self.found - self.both
        return self.both / union if union else 1.0


def read_index(masks: Path) -> list[dict[str, str]]:
    """The rows of chips that are judged."""
    with (masks / INDEX).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["source"] in JUDGED]


def judge(bundle: str, rows: Sequence[dict[str, str]], chips: Path, masks: Path, config: PredictConfig) -> list[Judged]:
    """Run one bundle on some chips. rows: those of the index."""
    with tempfile.TemporaryDirectory(prefix="geoships-") as scratch:
        folder = Path(scratch) / "chips"
        folder.mkdir()
        truths: dict[str, tuple[dict[str, str], NDArray[np.bool_]]] = {}
        for number, row in enumerate(rows):
            truth = cv2.imread(str(masks / row["mask"]), cv2.IMREAD_GRAYSCALE)
            picture = cv2.imread(str(chips / row["file"]))
            if truth is None or picture is None:
                raise GeoshipsError(f"cannot read {chips / row['file']} or {masks / row['mask']}")
            name = NamedChip(int(row["label"]), str(number), round(0.5 + number * 0.01, 2), 0.5).file
            size = (truth.shape[1], truth.shape[0])
            cv2.imwrite(str(folder / name), picture if picture.shape[1::-1] == size else cv2.resize(picture, size))
            truths[name] = row, truth == 1
        settings = config.model_copy(update={"model": bundle})
        done = predict_chips(folder, Path(scratch) / "found.geojson", config=settings).chips
        shapes = dict(zip(done["file"], zip(done["ships"], done.to_crs(4326).geometry, strict=True), strict=True))
        return [_judged(name, *truths[name], *shapes[name]) for name in truths]


def _judged(name: str, row: dict[str, str], truth: NDArray[np.bool_], ships: int, shape: object) -> Judged:
    found = np.zeros(truth.shape, np.uint8)
    if ships:
        named = parse_name(name)
        assert named
        crs, transform = chip_grid(named, (truth.shape[0], truth.shape[1]))
        outline = geopandas.GeoSeries([shape], crs=4326).to_crs(crs).iloc[0]
        found = rasterize([outline], truth.shape, transform=transform, dtype="uint8")
    return Judged(row["file"], row["part"], int(truth.sum()), int((found > 0).sum()), int((truth & (found > 0)).sum()))


def figures(chips: Iterable[Judged]) -> dict[str, float | int]:
    """Means over chips with a ship, sums over all pixels, and what is found."""
    chips = list(chips)
    ships, others = [chip for chip in chips if chip.truth], [chip for chip in chips if not chip.truth]
    both, truth, found = (sum(getattr(chip, name) for chip in chips) for name in ("both", "truth", "found"))
    return {
        "ships": len(ships),
        "mean_iou": round(float(np.mean([chip.iou for chip in ships])), 4) if ships else 0.0,
        "mean_dice": round(float(np.mean([2 * c.both / (c.truth + c.found) for c in ships])), 4) if ships else 0.0,
        "iou": round(both / max(1, truth + found - both), 4),
        "dice": round(2 * both / max(1, truth + found), 4),
        "found": sum(chip.iou >= 0.5 for chip in ships),
        "touched": sum(chip.both > 0 for chip in ships),
        "empty": len(others),
        "empty_right": sum(not chip.found for chip in others),
    }


def table(named: dict[str, dict[str, float | int]]) -> str:
    """The figures of each part and of all, in Markdown."""
    lines = [
        "| part | mean IoU | mean Dice | IoU of all pixels | Dice | ships found | touched | empty chips right |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, f in named.items():
        lines.append(
            f"| {name} | {f['mean_iou']:.3f} | {f['mean_dice']:.3f} | {f['iou']:.3f} | {f['dice']:.3f} "
            f"| {f['found']} of {f['ships']} | {f['touched']} | {f['empty_right']} of {f['empty']} |"
        )
    return "\n".join(lines)


def models(where: str, rows: Sequence[dict[str, str]], parts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Bundles, and the parts that each judges. A bundle that is named alone judges what it was not trained on."""
    if folds := finished_folds(Path(where)):
        return {
            str(Path(where) / fold.name / "bundle"): tuple(Path(entry.scene).stem for entry in fold.held_out)
            for fold in folds
        }
    known = sorted({row["part"] for row in rows})
    seen = set(load_bundle(where).card.trained_on)
    chosen = tuple(part for part in known if part in parts) if parts else tuple(p for p in known if p not in seen)
    if not chosen:
        raise GeoshipsError(f"{where} was trained on all of {', '.join(known)}; name one by --part all the same")
    return {where: chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a cross-validation, or a bundle")
    parser.add_argument("chips", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--part", action="append", default=[], help="of a bundle: judge this part; repeatable")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--min-peak", type=float)
    parser.add_argument("--views", type=int, choices=(1, 2, 4, 8))
    parser.add_argument("--out", type=Path, help="JSON file of the figures and of every chip")
    options = parser.parse_args()
    given = {"threshold": options.threshold, "min_peak": options.min_peak, "views": options.views}
    config = PredictConfig(**{name: value for name, value in given.items() if value is not None})
    rows = read_index(options.masks)
    judged: list[Judged] = []
    for bundle, parts in models(options.model, rows, options.part).items():
        held = [row for row in rows if row["part"] in parts]
        judged += judge(bundle, held, options.chips, options.masks, config)
    named = {part: figures(c for c in judged if c.part == part) for part in sorted({c.part for c in judged})}
    named["all"] = figures(judged)
    print(table(named))
    for name, target in TARGETS.items():
        value = named["all"][f"mean_{name}"]
        print(f"mean {name}: {value:.3f}, target {target}: {'reached' if value >= target else 'not reached'}")
    if options.out:
        options.out.write_text(json.dumps({**named, "chips": [chip.__dict__ for chip in judged]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
