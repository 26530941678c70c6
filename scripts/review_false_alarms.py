"""Find vessels without labels, and save them as a layer that training and evaluation ignore.

    uv run python scripts/review_false_alarms.py candidates SCENE LABELS --bundle BUNDLE --out FOLDER
    uv run python scripts/review_false_alarms.py keep FOLDER --boats 3,7 --wakes 12 --out data/annotations/CITY.geojson

`candidates` combines detections with scores of --threshold or more (of several bundles, or none) with bright blobs on
water, drops those that touch a label, and writes FOLDER/candidates.geojson and contact sheets FOLDER/sheet_1.png and so
on: each candidate in true colour and, right of it, as (SWIR, NIR, red), in a yellow box, with labels in magenta. A
person reviews every number; `keep` writes those that are vessels or doubtful. All others remain false alarms. Areas
without a candidate, such as a marina, are given in pixels: `--areas marinas:COLUMN,ROW,COLUMN,ROW` (more points make a
polygon).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import geopandas
import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from geoships import load_bundle
from geoships.pipeline.predict import score_rows
from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import SHIP, read_labels
from geoships.scene.reader import open_scene
from geoships.scene.tiling.windows import Window

REASONS = {"boats": "boat without label", "wakes": "boat with wake, without label",
           "marinas": "boats in a marina, without label", "doubtful": "doubtful"}  # fmt: skip
BANDS = ("blue", "green", "red", "nir", "swir16")
SEED, GROW, SIZES = 7.0, 3.5, (2, 150)  # deviations of the peak and of all pixels of a blob; pixels of a blob
CHIP, ZOOM, COLUMNS, ROWS = 48, 4, 4, 8  # scene pixels, image pixels per scene pixel; candidates per row and column
EIGHT = np.ones((3, 3), bool)
Band, Mask = NDArray[np.float32], NDArray[np.bool_]


def excess(band: Band, water: Mask, side: int = 31) -> Band:
    """Return the excess of a band over the water around it, in mean absolute deviations of that water."""

    def mean(values: Band, where: Mask) -> Band:
        weights = ndimage.uniform_filter(where.astype(np.float32), side)
        return np.asarray(ndimage.uniform_filter(np.where(where, values, 0), side) / np.maximum(weights, 1e-3))

    level, calm = mean(band, water), water
    for _ in range(3):
        spread = np.maximum(mean(np.abs(band - level), calm), 0.0015)
        calm = water & (band < level + 3 * spread)
        level = mean(band, calm)
    return (band - level) / spread


def find_blobs(bands: dict[str, Band]) -> tuple[Mask, Band]:
    """Return the mask of bright compact blobs surrounded by water, and the excess brightness of every pixel."""
    dark = [bands[name] < limit for name, limit in (("nir", 0.1), ("swir16", 0.08)) if name in bands]
    water = np.all([*dark, bands["green"] > bands["nir"]] if {"green", "nir"} <= set(bands) else dark, axis=0)
    water = ndimage.binary_opening(water, EIGHT)
    bright_bands = [bands[name] for name in ("nir", "red", "green", "swir16") if name in bands][:2]
    bright = np.max([excess(band, water) for band in bright_bands], axis=0)
    groups, _ = ndimage.label(bright >= GROW, EIGHT)
    found = np.zeros(water.shape, bool)
    for number, box in enumerate(ndimage.find_objects(groups), 1):
        near = tuple(slice(max(0, side.start - 3), side.stop + 3) for side in box)
        blob = groups[near] == number
        if SIZES[0] <= blob.sum() <= SIZES[1] and bright[near][blob].max() >= SEED:
            ring = ndimage.binary_dilation(blob, EIGHT, 2) & ~ndimage.binary_dilation(blob, EIGHT)
            found[near] |= blob & (water[near][ring].mean() > 0.7)
    return found, bright


def away_from(found: Mask, labels: Mask) -> Mask:
    groups, _ = ndimage.label(found, EIGHT)
    return found & ~np.isin(groups, np.unique(groups[ndimage.binary_dilation(labels, EIGHT, 2)]))


def outline(found: Mask, labels: Mask) -> BaseGeometry:
    """Return a candidate with a margin of one pixel, without labels and their margin, in pixel coordinates."""
    mask = ndimage.binary_dilation(found, EIGHT) & ~ndimage.binary_dilation(labels, EIGHT)
    regions = rasterio.features.shapes(mask.astype(np.uint8), mask=mask)
    return shapely.union_all([shapely.geometry.shape(region) for region, _ in regions])


def to_lonlat(shape: BaseGeometry, grid: Georeference) -> BaseGeometry:
    return shapely.transform(shape, lambda points: np.column_stack(grid.to_lonlat(*points.T)))


def draw(bands: dict[str, Band], labels: Mask, shape: BaseGeometry, number: int) -> Image.Image:
    """Draw one candidate in true and false colour; missing bands are replaced with another."""
    centre, size = shape.centroid, CHIP * ZOOM
    left, top = (max(0, min(int(at) - CHIP // 2, end - CHIP)) for at, end in zip((centre.x, centre.y), labels.T.shape))  # noqa: B905 (two each)
    chip = {name: band[top : top + CHIP, left : left + CHIP] for name, band in bands.items()}
    inside = labels[top : top + CHIP, left : left + CHIP].repeat(ZOOM, 0).repeat(ZOOM, 1)
    cell = Image.new("RGB", (2 * size, size))
    for index, names in enumerate((("red", "green", "blue"), ("swir16", "nir", "red"))):
        image = np.stack([chip.get(name, next(iter(chip.values()))) for name in names], axis=-1)
        low, high = np.percentile(image, (1, 98.5), axis=(0, 1))
        image = np.clip((image - low) / np.maximum(high - low, 0.06), 0, 1) ** 0.7 * 255
        zoomed = Image.fromarray(image.astype(np.uint8)).resize(inside.T.shape, Image.Resampling.BICUBIC)
        zoomed.paste((255, 0, 255), mask=Image.fromarray(inside ^ ndimage.binary_erosion(inside)))
        x0, y0, x1, y1 = ((np.array(shape.buffer(1).bounds) - (left, top, left, top)) * ZOOM).tolist()
        ImageDraw.Draw(zoomed).rectangle((x0, y0, x1, y1), outline=(255, 255, 0))
        cell.paste(zoomed, (index * size, 0))
    ImageDraw.Draw(cell).text((3, 2), str(number), fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return cell


def candidates(options: argparse.Namespace) -> None:
    with open_scene(options.scene, BANDS, optional=BANDS) as scene:
        grid, values = scene.georeference, scene.radiometry.apply(scene.decode(scene.window).values)
        bands = dict(zip(scene.wanted, values, strict=True))
    labels = read_labels(options.labels, grid).mask(Window(0, 0, grid.height, grid.width)) == SHIP
    found, bright = find_blobs(bands)
    found = away_from(found, labels)
    rank = np.clip(bright / 40, 0, 0.5) * found
    for name in options.bundle:
        score = np.concatenate([band.scores for band in score_rows(options.scene, model=load_bundle(name))])
        found, rank = found | away_from(score >= options.threshold, labels), np.maximum(rank, score)
    groups, count = ndimage.label(found, EIGHT)
    numbers = np.arange(1, count + 1)
    numbers = numbers[ndimage.sum_labels(found, groups, numbers) > 1]
    best = numbers[np.argsort(-ndimage.maximum(rank, groups, numbers))][: options.most]
    shapes = [shape for shape in (outline(groups == number, labels) for number in best) if not shape.is_empty]
    options.out.mkdir(parents=True, exist_ok=True)
    numbered = {"number": range(1, len(shapes) + 1)}
    frame = geopandas.GeoDataFrame(numbered, geometry=[to_lonlat(shape, grid) for shape in shapes], crs=4326)
    frame.to_file(options.out / "candidates.geojson", driver="GeoJSON")
    (options.out / "scene.json").write_text(json.dumps([str(options.scene.resolve()), str(options.labels.resolve())]))
    cells = [draw(bands, labels, shape, number) for number, shape in enumerate(shapes, 1)]
    for start in range(0, len(cells), COLUMNS * ROWS):
        sheet = Image.new("RGB", (COLUMNS * cells[0].width, ROWS * cells[0].height))
        for index, cell in enumerate(cells[start : start + COLUMNS * ROWS]):
            sheet.paste(cell, (index % COLUMNS * cell.width, index // COLUMNS * cell.height))
        sheet.save(options.out / f"sheet_{start // (COLUMNS * ROWS) + 1}.png")


def keep(options: argparse.Namespace) -> None:
    numbered = geopandas.read_file(options.folder / "candidates.geojson").set_index("number").geometry
    rows = [(REASONS[kind], numbered[number]) for kind in REASONS for number in getattr(options, kind)]
    if options.areas:
        scene, labels = json.loads((options.folder / "scene.json").read_text())
        with open_scene(scene, BANDS, optional=BANDS) as opened:
            grid = opened.georeference
        ships = shapely.union_all(read_labels(Path(labels), grid).ships).buffer(1, join_style="mitre")
        for kind, points in options.areas:
            area = shapely.box(*points.ravel()) if len(points) == 2 else shapely.Polygon(points)
            rows.append((REASONS[kind], to_lonlat(area.difference(ships), grid)))
    frame = geopandas.GeoDataFrame(rows, columns=["reason", "geometry"], crs=4326).explode()
    frame.to_file(options.out, driver="GeoJSON", RFC7946="YES", COORDINATE_PRECISION=6)


def parse_area(text: str) -> tuple[str, NDArray[np.float64]]:
    kind, _, points = text.partition(":")
    return kind, np.array(points.split(","), float).reshape(-1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("candidates", help="list candidates and draw them")
    first.add_argument("scene", type=Path)
    first.add_argument("labels", type=Path)
    first.add_argument("--bundle", nargs="*", default=[], help="models; none for a scene without their bands")
    first.add_argument("--threshold", type=float, default=0.15)
    first.add_argument("--most", type=int, default=150, help="maximum number of candidates, best first")
    second = steps.add_parser("keep", help="write the reviewed candidates")
    second.add_argument("folder", type=Path)
    for kind, reason in REASONS.items():
        second.add_argument(f"--{kind}", type=lambda text: map(int, text.split(",")), default=[], help=reason)
    second.add_argument("--areas", type=parse_area, nargs="*", default=[], help="KIND:COLUMN,ROW,COLUMN,ROW[,...]")
    for step, run in ((first, candidates), (second, keep)):
        step.add_argument("--out", type=Path, required=True)
        step.set_defaults(step=run)
    options = parser.parse_args()
    options.step(options)


if __name__ == "__main__":
    main()
