"""Measure the rate of false alarms on open sea and inland, per 100 square kilometres.

    uv run python scripts/false_alarm_rate.py SCENE... --labels FOLDER [--ignore FOLDER] [--bundle BUNDLE]
    uv run python scripts/false_alarm_rate.py SCENE... --labels FOLDER [--ignore FOLDER] --crossval RUN

The second form evaluates each scene with the model of the fold that held it out. Open sea is water at least 1 km from
land; inland is land at least 500 m from water bodies of 1 square kilometre or more; both are classified from the
scene's green and infrared bands. Detections that touch a labelled ship, or lie mostly in the ignore layer, are not
false alarms.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from geoships import load_bundle
from geoships.config import PredictConfig, predict_config
from geoships.metrics.comparison import compare
from geoships.model.bundle import Bundle
from geoships.output.ships import ShipBuilder
from geoships.pipeline.scene_run import open_run
from geoships.scene.layers.labels import read_labels
from geoships.scene.reader import open_scene
from geoships.support.yaml_text import parse_yaml
from geoships.training.labelled_scenes import find_layer

BANDS = ("green", "nir", "swir16")
SEA_FROM_LAND, LAND_FROM_SEA = 1000, 500  # metres
MIN_BODY_AREA = 1e6  # square metres of a water body or of land


@dataclass(frozen=True)
class Zone:
    """A zone of a scene: its area in square kilometres, and the number of false alarms in it."""

    area: float
    false_alarms: int

    def __add__(self, other: Zone) -> Zone:
        return Zone(self.area + other.area, self.false_alarms + other.false_alarms)

    def __str__(self) -> str:
        rate = f"{100 * self.false_alarms / self.area:.2f}" if self.area else "-"
        return f"{self.area:8.1f} km2 {self.false_alarms:4} false {rate:>6} per 100 km2"


def find_zones(scene: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """Return the masks (rows, columns) of open sea and inland, and the GSD in metres."""
    with open_scene(scene, BANDS) as opened:
        pixels = opened.decode(opened.window)
        green, nir, swir = opened.radiometry.apply(pixels.values)
        gsd_x, gsd_y = opened.georeference.pixel_size() or (10.0, 10.0)
    size = float(np.sqrt(gsd_x * gsd_y))
    water = ndimage.median_filter((green > nir) & (swir < 0.08), 5)
    sea, land = large_regions(water, size), large_regions(~water & pixels.valid, size)
    to_land = ndimage.distance_transform_edt(~land) * size
    to_sea = ndimage.distance_transform_edt(~sea) * size
    return to_land >= SEA_FROM_LAND, (to_sea >= LAND_FROM_SEA) & pixels.valid & ~water, size


def large_regions(mask: NDArray[np.bool_], size: float) -> NDArray[np.bool_]:
    """Return the connected regions of a mask with at least MIN_BODY_AREA."""
    labels, count = ndimage.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1) * size**2
    areas[0] = 0
    return np.asarray((areas >= MIN_BODY_AREA)[labels])


def false_alarms(
    scene: Path, labels: Path, ignore: Path | None, bundle: Bundle, config: PredictConfig
) -> list[shapely.Geometry]:
    """Return false alarms as polygons in pixel coordinates."""
    with open_run(scene, config=config, model=bundle) as run:
        truth = read_labels(labels, run.georeference, ignore)
        builder = ShipBuilder(run.scene.window.width, run.threshold)
        ships = [ship for band, *_ in run.bands() for ship in builder.feed(band)]
        detections = [ship.polygon for ship in run.keep([*ships, *builder.finish()])]
    compared = compare(detections, truth.ships, shapely.union_all(list(truth.ignored)))
    matched = set(compared.pairs.predicted.tolist()) | set(np.flatnonzero(compared.ignored).tolist())
    return [polygon for number, polygon in enumerate(detections) if number not in matched]


def measure(scene: Path, labels: Path, ignore: Path | None, bundle: Bundle, config: PredictConfig) -> tuple[Zone, Zone]:
    """Return the zones open sea and inland of one scene."""
    sea, inland, size = find_zones(scene)
    points = [shapely.point_on_surface(ship) for ship in false_alarms(scene, labels, ignore, bundle, config)]
    pixels = [(int(point.y), int(point.x)) for point in points]
    return tuple(Zone(zone.sum() * size**2 / 1e6, sum(bool(zone[pixel]) for pixel in pixels)) for zone in (sea, inland))  # type: ignore[return-value]


def folds(run: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of each scene, and the bundle of the fold that held it out."""
    for settings in sorted(run.glob("fold-*/config.yaml")):
        for name in parse_yaml(settings.read_text(encoding="utf-8"))["data"]["hold_out"]:
            yield name, settings.parent / "bundle"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--ignore", type=Path)
    parser.add_argument("--bundle")
    parser.add_argument("--crossval", type=Path)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--views", type=int)
    options = parser.parse_args()
    by_name = dict(folds(options.crossval)) if options.crossval else {}
    config = predict_config(threshold=options.threshold, views=options.views)
    total = Zone(0, 0), Zone(0, 0)
    for scene in options.scenes:
        labels = find_layer(options.labels, scene)
        if labels is None:
            raise SystemExit(f"no labels of {scene} in {options.labels}")
        ignore = find_layer(options.ignore, scene) if options.ignore else None
        bundle = load_bundle(by_name.get(scene.stem, options.bundle))
        sea, inland = measure(scene, labels, ignore, bundle, config)
        total = total[0] + sea, total[1] + inland
        print(f"{scene.stem:14} open sea {sea}   inland {inland}", flush=True)
    print(f"{'all':14} open sea {total[0]}   inland {total[1]}")


if __name__ == "__main__":
    main()
