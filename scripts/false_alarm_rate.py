"""Count false ships on open sea and inland, in ships per 100 square kilometres.

    uv run python scripts/false_alarm_rate.py SCENE... --labels FOLDER [--ignore FOLDER] [--bundle BUNDLE]
    uv run python scripts/false_alarm_rate.py SCENE... --labels FOLDER [--ignore FOLDER] --crossval RUN

The second judges each scene by the model of the fold that left it out. Open sea is water at least 1 km from land;
inland is land at least 500 m from water bodies of 1 square kilometre and more; both are told by the scene's green and
infrared. Found ships that touch a labelled one, or lie mostly in the ignore layer, are no false ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
import yaml
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
from geoships.training.labelled_scenes import find_layer

BANDS = ("green", "nir", "swir16")
SEA_FROM_LAND, LAND_FROM_SEA = 1000, 500  # metres
LEAST_BODY = 1e6  # square metres of a water body or an island that counts


@dataclass(frozen=True)
class Zone:
    """A part of a scene: its square kilometres, and the false ships in it."""

    area: float
    ships: int

    def __add__(self, other: Zone) -> Zone:
        return Zone(self.area + other.area, self.ships + other.ships)

    def __str__(self) -> str:
        rate = f"{100 * self.ships / self.area:.2f}" if self.area else "-"
        return f"{self.area:8.1f} km2 {self.ships:4} false {rate:>6} per 100 km2"


def zones(scene: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """Open sea and inland, (rows, columns) each, and the metres of a pixel's side."""
    with open_scene(scene, BANDS) as opened:
        pixels = opened.decode(opened.window)
        green, nir, swir = opened.radiometry.apply(pixels.values)
        across, down = opened.georeference.pixel_size() or (10.0, 10.0)
    size = float(np.sqrt(across * down))
    water = ndimage.median_filter((green > nir) & (swir < 0.08), 5)
    sea, land = large(water, size), large(~water & pixels.valid, size)
    to_land = ndimage.distance_transform_edt(~land) * size
    to_sea = ndimage.distance_transform_edt(~sea) * size
    return to_land >= SEA_FROM_LAND, (to_sea >= LAND_FROM_SEA) & pixels.valid & ~water, size


def large(mask: NDArray[np.bool_], size: float) -> NDArray[np.bool_]:
    """The connected parts of a mask that have at least LEAST_BODY."""
    labels, count = ndimage.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1) * size**2
    areas[0] = 0
    return np.asarray((areas >= LEAST_BODY)[labels])


def false_ships(
    scene: Path, labels: Path, ignore: Path | None, bundle: Bundle, config: PredictConfig
) -> list[shapely.Geometry]:
    """False ships as polygons in pixel coordinates."""
    with open_run(scene, config=config, model=bundle) as run:
        known = read_labels(labels, run.georeference, ignore)
        builder = ShipBuilder(run.scene.window.width, run.threshold)
        ships = [ship for band in run.bands() for ship in builder.feed(band)]
        found = [kept.polygon for kept in run.keep([*ships, *builder.finish()])]
    compared = compare(found, known.ships, shapely.union_all(list(known.ignored)))
    right = set(compared.pairs.predicted.tolist()) | set(np.flatnonzero(compared.ignored).tolist())
    return [polygon for number, polygon in enumerate(found) if number not in right]


def judge(scene: Path, labels: Path, ignore: Path | None, bundle: Bundle, config: PredictConfig) -> tuple[Zone, Zone]:
    """Open sea and inland of one scene."""
    sea, inland, size = zones(scene)
    points = [shapely.point_on_surface(ship) for ship in false_ships(scene, labels, ignore, bundle, config)]
    cells = [(int(point.y), int(point.x)) for point in points]
    return tuple(Zone(zone.sum() * size**2 / 1e6, sum(bool(zone[cell]) for cell in cells)) for zone in (sea, inland))  # type: ignore[return-value]


def folds(run: Path) -> Iterator[tuple[str, Path]]:
    """Each scene's name and the bundle of the fold that left it out."""
    for settings in sorted(run.glob("fold-*/config.yaml")):
        for name in yaml.safe_load(settings.read_text())["data"]["hold_out"]:
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
        sea, inland = judge(scene, labels, ignore, bundle, config)
        total = total[0] + sea, total[1] + inland
        print(f"{scene.stem:14} open sea {sea}   inland {inland}", flush=True)
    print(f"{'all':14} open sea {total[0]}   inland {total[1]}")


if __name__ == "__main__":
    main()
