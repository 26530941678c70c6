"""Measure a bundle's screen: detection with and without it, and time on a scene of mostly empty sea.

For each scene, it also prints how many ships pass the screen with their own cells.

    uv run python scripts/measure_screen.py BUNDLE --scenes images --labels masks --ignore data/annotations \
        --only cartagena --only casablanca --only gdynia
    uv run python scripts/measure_screen.py BUNDLE --empty-sea 4096

The scene of empty sea has a rendered harbour (see `geoships demo`) in one corner, a tenth of its area, and open water
with waves. Wall time and CPU time are printed, each the minimum of --repeats runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from geoships.config import PredictConfig, predict_config
from geoships.datasets.coast import CLEAR_SEA
from geoships.datasets.harbour import Harbour, render_harbour, write_harbour
from geoships.errors import GeoshipsError
from geoships.evaluation import evaluate
from geoships.model.bundle import Bundle, load_bundle
from geoships.pipeline.predict import predict
from geoships.scene.layers.labelled_files import find_scenes
from geoships.workflows.fit_screen import passing_ships

ROW = "{:12} {:>9} {:>9} {:>9} {:>9} {:>8} {:>10} {:>12}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="bundle with a screen")
    parser.add_argument("--scenes", help="folder of labelled scenes")
    parser.add_argument("--labels", type=Path, help="their labels")
    parser.add_argument("--ignore", type=Path, help="areas without labels")
    parser.add_argument("--only", action="append", help="name of a scene; can be repeated; default: all")
    parser.add_argument("--empty-sea", type=int, metavar="SIZE", help="rows and columns of a scene to time")
    parser.add_argument("--repeats", type=int, default=1, help="runs with and without the screen")
    parser.add_argument("--engine", help="see `geoships predict --help`")
    parser.add_argument("--tile-size", type=int, help="see `geoships predict --help`")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    if bundle.screen is None:
        parser.error(f"{options.bundle} has no screen; make one with geoships screen")
    config = predict_config(engine=options.engine, tile_size=options.tile_size)
    if options.scenes:
        compare_detection(bundle, options, config)
    if options.empty_sea:
        time_empty_sea(bundle, options.empty_sea, options.repeats, config)


def compare_detection(bundle: Bundle, options: argparse.Namespace, config: PredictConfig) -> None:
    print(ROW.format("scene", "recall", "screened", "F1", "screened", "computed", "of tiles", "ships alone"))
    for scene in find_scenes([options.scenes]):
        name = Path(scene).stem
        if options.only and name not in options.only:
            continue
        figures = []
        ignore = [options.ignore] if options.ignore else ()
        for screen in (False, True):
            settings = config.model_copy(update={"screen": screen})
            try:
                evaluation = evaluate(
                    [scene], [options.labels], ignore=ignore,
                    thresholds=(), config=settings, model=bundle,
                )  # fmt: skip
            except GeoshipsError as error:
                raise SystemExit(f"error: {error}") from error
            figures.append(evaluation.figures["all"]["ships"]["touched"])
        tiles = predict(scene, config=config, model=bundle).tiles
        passed, ships = passing_ships(bundle, [scene], [options.labels], ignore=ignore)
        values = [f"{(metrics[key] or 0):.4f}" for key in ("recall", "f1") for metrics in figures]
        print(ROW.format(name, *values, tiles.computed, tiles.planned, f"{passed}/{ships}"), flush=True)


def time_empty_sea(bundle: Bundle, size: int, repeats: int, config: PredictConfig) -> None:
    with TemporaryDirectory() as folder:
        scene = Path(folder) / "sea.tif"
        write_harbour(empty_sea(size), scene)
        predict(
            scene, config=config.model_copy(update={"screen": True}), model=bundle
        )  # fills the cache of converted models
        seconds = {}
        for screen in (False, True):
            settings = config.model_copy(update={"screen": screen})
            runs = [time_run(scene, settings, bundle) for _ in range(repeats)]
            wall, cpu = (min(column) for column in zip(*[run[:2] for run in runs], strict=True))
            seconds[screen] = wall, cpu
            print(f"screen {'on' if screen else 'off':3}: {wall:.1f} s, CPU {cpu:.1f} s; {runs[0][2]}")
    print(f"faster by {seconds[False][0] / seconds[True][0]:.2f} in wall time, "
          f"{seconds[False][1] / seconds[True][1]:.2f} in CPU time")  # fmt: skip


def time_run(scene: Path, config: PredictConfig, bundle: Bundle) -> tuple[float, float, str]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = predict(scene, config=config, model=bundle)
    return (
        time.perf_counter() - wall,
        time.process_time() - cpu,
        f"{len(result.ships)} ships; {result.tiles}",
    )


def empty_sea(size: int, seed: int = 7) -> Harbour:
    """Return a scene of open water with swell and noise, and a harbour on a tenth of its area."""
    side = round(size * 0.1**0.5)
    harbour = render_harbour(seed, side)
    rng = np.random.default_rng(seed)
    swell = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), 3)
    sea = np.stack([
        level + 0.004 * swell + 0.0015 * rng.standard_normal((size, size), np.float32) for level in CLEAR_SEA
    ])  # fmt: skip
    sea = np.clip(sea, 1e-4, 1).astype(np.float32)
    sea[:, :side, :side] = np.where(harbour.valid, harbour.reflectance, sea[:, :side, :side])
    return Harbour(sea, np.ones((size, size), bool), harbour.ships, harbour.transform, harbour.crs, harbour.datetime)


if __name__ == "__main__":
    main()
