"""Stitching of predictions with torchgeo 0.8 and 0.10."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
import torchgeo.samplers
from fake_models import Brightness
from lightning.pytorch import LightningModule
from rio_cogeo import cog_validate
from scenes import UTM, ship_scene
from torch import nn
from torchgeo.datasets import RasterDataset

import geoships
from geoships.errors import GeoshipsError
from geoships.output.stitch import OverlapWeights
from geoships.scene.reader import open_scene
from geoships.scene.tiling.windows import TilePlan, Window, plan_axis
from geoships.scene.torchgeo import SceneDataset, TileSampler


def grid_sampler(dataset: object, size: int, stride: int) -> object:
    if hasattr(torchgeo.samplers, "GriddedPatchSampler"):
        return torchgeo.samplers.GriddedPatchSampler(dataset, size=size, stride=stride)
    return torchgeo.samplers.GridGeoSampler(dataset, size=size, stride=stride)


def reflectance(images: torch.Tensor) -> torch.Tensor:
    return images / 10000


class Task(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = Brightness()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)


class TwoClasses(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = Brightness()(images)
        return torch.cat([-bright, bright], dim=1)


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    return ship_scene(tmp_path / "scene.tif")


@pytest.mark.parametrize("model", [Brightness(), Task()])
def test_a_stock_dataset_and_sampler_give_one_raster(model: nn.Module, truth: np.ndarray, tmp_path: Path) -> None:
    dataset = RasterDataset(tmp_path / "scene.tif")
    out = geoships.stitch(dataset, grid_sampler(dataset, 64, 48), model, tmp_path / "o.tif", transform=reflectance)
    assert cog_validate(out, strict=True)[0]
    with rasterio.open(out) as raster:
        assert raster.transform == UTM
        assert raster.crs == "EPSG:32631"
        scores = raster.read(1, masked=True)
        np.testing.assert_array_equal(scores.filled(0) * raster.scales[0] > 0.5, truth)
        assert not scores.mask.any()


def test_several_channels_give_classes(truth: np.ndarray, tmp_path: Path) -> None:
    dataset = RasterDataset(tmp_path / "scene.tif")
    sampler = grid_sampler(dataset, 64, 32)
    geoships.stitch(dataset, sampler, TwoClasses(), tmp_path / "c.tif", transform=reflectance)
    geoships.stitch(dataset, sampler, TwoClasses(), tmp_path / "s.tif", transform=reflectance, channel=1)
    with rasterio.open(tmp_path / "c.tif") as classes, rasterio.open(tmp_path / "s.tif") as scores:
        np.testing.assert_array_equal(classes.read(1), truth)
        np.testing.assert_array_equal(scores.read(1) > 127, truth)


def test_geoships_dataset_and_sampler_give_one_raster(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif", transform=UTM @ UTM.rotation(30), nodata_columns=70)
    with open_scene(tmp_path / "scene.tif", ["red"]) as scene:
        dataset = SceneDataset(scene)
        plan = TilePlan(plan_axis(180, 64, 8, 4, 8, 8), plan_axis(200, 64, 8, 4, 8, 8))
        geoships.stitch(dataset, TileSampler(dataset, plan), Brightness(), tmp_path / "o.tif")
    with rasterio.open(tmp_path / "o.tif") as raster:
        scores = raster.read(1, masked=True)
    assert scores.mask[:, :70].all()
    np.testing.assert_array_equal(scores[:, 70:] > 127, true[:, 70:])


def test_pixels_that_are_not_finite_become_nodata(tmp_path: Path) -> None:
    values = np.full((1, 64, 64), 500, "float32")
    values[:, :, :20] = np.nan
    profile = {"height": 64, "width": 64, "count": 1, "dtype": "float32", "crs": "EPSG:32631", "transform": UTM}
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", **profile) as file:
        file.write(values)
    dataset = RasterDataset(tmp_path / "scene.tif")
    geoships.stitch(dataset, grid_sampler(dataset, 32, 32), Brightness(), tmp_path / "o.tif", transform=reflectance)
    with rasterio.open(tmp_path / "o.tif") as raster:
        missing = np.ma.getmaskarray(raster.read(1, masked=True))
    assert missing[:, :20].all()
    assert not missing[:, 20:].any()


def test_nodata_stays_nodata(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", nodata_columns=70)
    dataset = RasterDataset(tmp_path / "scene.tif")
    geoships.stitch(dataset, grid_sampler(dataset, 64, 64), Brightness(), tmp_path / "o.tif", nodata=0)
    with rasterio.open(tmp_path / "o.tif") as raster:
        mask = raster.read(1, masked=True).mask
    assert mask[:, :70].all()
    assert not mask[:, 70:].any()


@pytest.mark.usefixtures("truth")
def test_errors_say_what_cannot_be_stitched(tmp_path: Path) -> None:
    dataset = RasterDataset(tmp_path / "scene.tif")
    with pytest.raises(GeoshipsError, match="yields no tile"):
        geoships.stitch(dataset, [], Brightness(), tmp_path / "o.tif")
    sampler = grid_sampler(dataset, 64, 64)
    with pytest.raises(GeoshipsError, match="keep the size"):
        geoships.stitch(dataset, sampler, nn.MaxPool2d(2), tmp_path / "o.tif")
    with pytest.raises(GeoshipsError, match="no channel 5"):
        geoships.stitch(dataset, sampler, Brightness(), tmp_path / "o.tif", channel=5)
    with pytest.raises(GeoshipsError, match="one tensor of logits"):
        geoships.stitch(dataset, sampler, nn.Flatten(), tmp_path / "o.tif")
    assert not (tmp_path / "o.tif").exists()


def test_weights_of_any_layout_sum_to_one() -> None:
    rng = np.random.default_rng(1)
    windows = [Window(int(r), int(c), 30, 40) for r, c in rng.integers(-10, 60, (40, 2))]
    weights, total, seen = OverlapWeights(windows), np.zeros((120, 130)), np.zeros((120, 130), bool)
    canvas = Window(-10, -10, 120, 130)
    for window in windows:
        total[window.within(canvas)] += weights.of(window)
        seen[window.within(canvas)] = True
    np.testing.assert_allclose(total[seen], 1, atol=1e-5)
