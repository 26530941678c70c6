"""The installed model on a rendered harbour: the same ships, however the scene is stored and wherever it lies."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoships import PredictConfig, load_bundle, predict
from geoships.datasets.harbour import BANDS, Harbour, render_harbour, write_harbour
from geoships.metrics.counts import match_objects
from geoships.model.bundle import Bundle
from geoships.pipeline.predict import score_rows

NORTH_UP = Affine(10, 0, 500000, 0, -10, 4000000)


@pytest.fixture(scope="module")
def harbour() -> Harbour:
    return render_harbour(seed=3, size=640)


def write(
    path: Path,
    harbour: Harbour,
    transform: Affine = NORTH_UP,
    crs: str = "EPSG:32631",
    scale: float = 1e-4,
    offset: float = -0.1,
    flipped: bool = False,
) -> Path:
    stored = np.round((harbour.reflectance - offset) / scale).clip(1, 65535).astype("uint16")
    stored[:, ~harbour.valid] = 0
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=640,
        width=640,
        count=5,
        dtype="uint16",
        nodata=0,
        crs=crs,
        transform=transform,
    ) as dataset:
        dataset.write(stored[:, ::-1] if flipped else stored)
        dataset.descriptions, dataset.scales, dataset.offsets = BANDS, (scale,) * 5, (offset,) * 5
    return path


def found(path: Path, *, flipped: bool = False, views: Literal[1, 8] = 1) -> list[shapely.Geometry]:
    """Ships of a scene, brought back to (column, row) of the harbour."""
    # One pixel size for all: in degrees it depends on the latitude, and the model brings scenes to its own.
    ships = predict(path, config=PredictConfig(device="cpu", views=views, gsd=10)).ships
    with rasterio.open(path) as dataset:
        inverse = ~dataset.transform

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        columns, rows = inverse @ points.T
        return np.column_stack([columns, 640 - rows if flipped else rows])

    return [shapely.transform(ship, place) for ship in ships.geometry]


@pytest.fixture(scope="module")
def reference(harbour: Harbour, tmp_path_factory: pytest.TempPathFactory) -> list[shapely.Geometry]:
    return found(write(tmp_path_factory.mktemp("reference") / "scene.tif", harbour))


def test_it_finds_the_ships_of_the_harbour(harbour: Harbour, reference: list[shapely.Geometry]) -> None:
    counts = match_objects(reference, harbour.ships)
    assert counts.recall >= 0.8
    assert counts.precision >= 0.8


@pytest.mark.parametrize(
    "change",
    [
        {"transform": NORTH_UP @ Affine.translation(37, 11)},
        {"transform": NORTH_UP @ Affine.rotation(25)},
        {"transform": Affine(1e-4, 0, 3.0, 0, -9e-5, 36.1), "crs": "EPSG:4326"},
        {"transform": Affine(10, 0, 500000, 0, -10, 6000000), "crs": "EPSG:32731"},
        {"transform": Affine(1e-4, 0, 179.97, 0, -9e-5, -17.0), "crs": "EPSG:4326"},
        {"offset": 0.0},
        {"scale": 1 / 65535, "offset": 0.0},
    ],
    ids=["shifted", "rotated", "geographic", "southern", "antimeridian", "offset", "full range"],
)
def test_the_same_ships_however_it_is_stored(change, harbour, reference, tmp_path: Path) -> None:
    ships = found(write(tmp_path / "scene.tif", harbour, **change))
    assert len(ships) == len(reference)
    same = match_objects(ships, reference, min_iou=0.9)
    assert same.recall == same.precision == 1


def test_the_same_ships_upside_down(harbour: Harbour, tmp_path: Path) -> None:
    # A network is not symmetric, the mean over all eight views is, but for where the borders of tiles come to lie.
    south_up = Affine(10, 0, 500000, 0, 10, 3993600)
    reference = found(write(tmp_path / "north-up.tif", harbour), views=8)
    ships = found(write(tmp_path / "scene.tif", harbour, transform=south_up, flipped=True), flipped=True, views=8)
    same = match_objects(ships, reference, min_iou=0.8)
    assert same.recall == same.precision == 1


def scores(path: Path, bundle: Bundle, **settings: object) -> NDArray[np.float32]:
    config = PredictConfig(device="cpu", precision="fp32", views=1, **settings)
    return np.vstack([band.scores for band in score_rows(path, model=bundle, config=config)])


def test_tiles_overlaps_and_batches_leave_no_trace_in_the_scores(tmp_path: Path) -> None:
    path, bundle = tmp_path / "scene.tif", load_bundle()
    write_harbour(render_harbour(seed=3, size=1216), path)
    wider = dataclasses.replace(bundle, card=bundle.card.model_copy(update={"halo": bundle.card.halo + 40}))
    whole = scores(path, bundle, tile_size=8192)
    # Beyond the border tiles see mirrored pixels, to a depth that depends on where the last one ends.
    inner = (slice(bundle.card.halo, -bundle.card.halo),) * 2
    for model, tile_size, batch_size in ((bundle, 960, 1), (bundle, 1088, 3), (wider, 960, 2)):
        tiled = scores(path, model, tile_size=tile_size, batch_size=batch_size)
        difference = np.abs(whole - tiled)[inner]
        assert difference.max() <= 0.02
