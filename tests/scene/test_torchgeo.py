"""Runs on torchgeo 0.8 and 0.10 alike."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchgeo.samplers
from affine import Affine
from scenes import UTM, ship_scene
from shapely import box
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples

from geoships.scene.layers.area import Area
from geoships.scene.reader import open_scene
from geoships.scene.streaming import stream_tiles
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import TilePlan, Window, plan_axis, reflect
from geoships.scene.torchgeo import SceneDataset, TileSampler, WindowSlice


def plan_of(shape: tuple[int, int], size: int = 64) -> TilePlan:
    return TilePlan(*(plan_axis(length, size, 8, 4, 8, 8) for length in shape))


@pytest.fixture
def scene(tmp_path: Path):
    ship_scene(tmp_path / "scene.tif", (150, 170))
    with open_scene(tmp_path / "scene.tif", ["red"]) as opened:
        yield opened


def test_samples_are_the_scene_mirrored_at_its_edges(scene) -> None:
    dataset = SceneDataset(scene)
    pixels = scene.decode(scene.window)
    reflectance = scene.radiometry.apply(pixels.values)
    plan = plan_of((150, 170))
    for query in TileSampler(dataset, plan):
        sample = dataset[query]
        window = query.window
        rows = reflect(window.row, window.row_end, 150)
        columns = reflect(window.column, window.column_end, 170)
        np.testing.assert_array_equal(sample["image"], reflectance[:, rows][:, :, columns])
        inside = window.intersection(scene.window)
        assert sample["valid"].sum() == inside.height * inside.width
        assert sample["window"].tolist() == [window.row, window.column, *window.shape]


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (UTM, "EPSG:32631"),
        (Affine(10, 0, 500000.3, 0, 10, 5123456.7), "EPSG:32631"),
        (Affine(1e-4, 0, 12.3456789, 0, -1e-4, 45.6789), "EPSG:4326"),
        (UTM @ Affine.rotation(20), "EPSG:32631"),
        (None, None),
    ],
)
def test_slices_and_windows_are_the_same(transform: Affine | None, crs: str | None, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (150, 170), transform=transform, crs=crs)
    with open_scene(tmp_path / "scene.tif", ["red"]) as scene:
        dataset = SceneDataset(scene)
        for query in TileSampler(dataset, plan_of((150, 170))):
            assert isinstance(query, WindowSlice)
            assert dataset.grid.window(tuple(query)) == query.window
            assert pickle.loads(pickle.dumps(query)).window == query.window
        assert dataset.grid.window(dataset.bounds) == scene.window


def test_a_plain_loader_with_workers_reads_it(scene) -> None:
    dataset = SceneDataset(scene)
    sampler = TileSampler(dataset, plan_of((150, 170)))
    loader = DataLoader(dataset, batch_size=4, sampler=sampler, num_workers=1, multiprocessing_context="forkserver")
    windows = [tuple(row) for batch in loader for row in batch["window"].tolist()]
    assert len(windows) == len(sampler)
    assert stack_samples([dataset[next(iter(sampler))]])["image"].shape == (1, 1, *sampler.plan.tile_shape)


def test_torchgeos_own_samplers_work_on_it(scene) -> None:
    dataset = SceneDataset(scene)
    if hasattr(torchgeo.samplers, "GriddedPatchSampler"):
        sampler = torchgeo.samplers.GriddedPatchSampler(dataset, size=50, stride=50)
    else:
        sampler = torchgeo.samplers.GridGeoSampler(dataset, size=50, stride=50)
    covered = np.zeros((150, 170), bool)
    for query in sampler:
        sample = dataset[query]
        assert sample["image"].shape == (1, 50, 50)
        row, column, height, width = sample["window"].tolist()
        inside = Window(row, column, height, width).intersection(scene.window)
        covered[inside.within(scene.window)] = True
    assert covered.all()


def test_a_scene_intersects_with_other_datasets(scene, tmp_path: Path) -> None:
    ship_scene(tmp_path / "labels.tif", (150, 170))
    labels = RasterDataset(tmp_path / "labels.tif")
    both = SceneDataset(scene) & labels
    x, y = SceneDataset(scene).grid.slices(Window(10, 20, 32, 32))
    sample = both[x, y]
    assert torch.is_tensor(sample["image"])
    assert len(both) == 1


def test_tiles_without_data_are_never_yielded(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (150, 300), nodata_columns=160)
    with open_scene(tmp_path / "scene.tif", ["red"]) as scene:
        dataset = SceneDataset(scene)
        sampler = TileSampler(dataset, plan_of((150, 300)))
        windows = [query.window for query in sampler]
        assert 0 < len(windows) < len(sampler)
        assert all(window.column_end > 160 for window in windows)
        assert all(dataset[query]["valid"].any() for query in sampler)


def test_pixels_without_data_take_their_neighbours_values(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (64, 64), nodata_columns=20, ships=())
    with open_scene(tmp_path / "scene.tif", ["red"]) as scene:
        sample = next(iter(stream_tiles(scene, plan_of((64, 64)), (Ratio(1, 1), Ratio(1, 1)))))
    np.testing.assert_allclose(sample["image"], np.full_like(sample["image"], 0.05), rtol=1e-6)
    assert not sample["valid"][:, :20].any()


def test_the_area_of_interest_selects_tiles_and_pixels(scene) -> None:
    area = Area(box(0, 0, 30, 40))
    dataset = SceneDataset(scene, area=area)
    sampler = TileSampler(dataset, plan_of((150, 170)))
    queries = list(sampler)
    assert len(queries) < len(sampler)
    covered = np.zeros((150, 170), bool)
    for query in queries:
        inside = query.window.intersection(scene.window)
        covered[inside.within(scene.window)] |= dataset[query]["valid"].numpy()[inside.within(query.window)]
    assert covered.sum() == 30 * 40
    assert covered[:40, :30].all()


def test_a_query_beside_the_scene_is_an_index_error(scene) -> None:
    with pytest.raises(IndexError, match="outside the scene"):
        SceneDataset(scene)[slice(0, 10), slice(0, 10)]


def test_the_stream_gives_what_the_dataset_gives(scene) -> None:
    plan, ratios = plan_of((150, 170)), (Ratio(2, 1), Ratio(1, 2))
    dataset = SceneDataset(scene, ratios=ratios)
    streamed = list(stream_tiles(scene, plan, ratios))
    assert len(streamed) == len(plan)
    for tile, sample in zip(plan, streamed, strict=True):
        query = WindowSlice(*dataset.grid.slices(tile.window), tile.window)
        expected = dataset[query]
        del expected["box"]
        assert sample.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(sample[name], value.numpy())
        assert sample["image"].shape[1:] == (2 * tile.window.height, tile.window.width // 2)


def test_a_closed_stream_stops_reading(scene) -> None:
    stream = stream_tiles(scene, plan_of((150, 170), 32), (Ratio(1, 1), Ratio(1, 1)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not list(stream)
