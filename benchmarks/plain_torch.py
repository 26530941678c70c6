"""The benchmark's network in plain PyTorch, and plain writers of outputs, for tools that have neither."""

from __future__ import annotations

import json
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import nn

MIN_AREA = 300  # minimum area of a ship in square metres, geoships' default


class PlainUnet(nn.Module):
    """A U-Net with normalisation of its input, which is eight-bit values divided by 255.

    Args:
        weights: PyTorch file of the state dict.
        recipe: JSON file with mean and standard deviation of each band.
        two: Whether the logits have a background channel (always 0) before the ship channel.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, weights: Path, recipe: Path, *, two: bool = False) -> None:
        super().__init__()
        self.network = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)
        self.network.load_state_dict(torch.load(weights, weights_only=True))
        scaling = json.loads(recipe.read_text())
        self.register_buffer("mean", torch.tensor(scaling["mean"])[:, None, None])
        self.register_buffer("std", torch.tensor(scaling["std"])[:, None, None])
        self.two = two
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, channels, rows, columns)."""
        logits = self.network((images - self.mean) / self.std)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.two else logits


class Scripted(nn.Module):
    """A whole model as TorchScript, which takes a scene's stored values, for scripts that divide them by 255.

    Args:
        path: Made by `make_inputs.make_default_script`.
        two: As for `PlainUnet`.
    """

    def __init__(self, path: Path, *, two: bool = False) -> None:
        super().__init__()
        self.model, self.two = torch.jit.load(str(path)), two
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, channels, rows, columns)."""
        logits = torch.logit(self.model(images.float() * 255), 1e-6)[:, None]
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.two else logits


def load_model(weights: Path, recipe: Path, *, two: bool = False) -> nn.Module:
    """A model for scripts: TorchScript (.ts), or the weights of a ResNet-18 U-Net with its normalisation."""
    return Scripted(weights, two=two) if weights.suffix == ".ts" else PlainUnet(weights, recipe, two=two)


def write_raster(path, array, profile) -> None:
    """Write (rows, columns) as a Cloud Optimized GeoTIFF on the grid of a scene's profile."""
    import rasterio

    place = {key: profile[key] for key in ("crs", "transform", "width", "height")}
    with rasterio.open(path, "w", driver="COG", count=1, dtype=array.dtype, compress="deflate", **place) as dataset:
        dataset.write(array, 1)


def write_polygons(path, mask, profile) -> int:
    """Write the outlines of a uint8 mask as GeoJSON in degrees, and return their number."""
    import geopandas
    from rasterio.features import shapes
    from shapely.geometry import shape

    polygons = [shape(outline) for outline, _ in shapes(mask, mask == 1, 8, profile["transform"])]
    frame = geopandas.GeoDataFrame(geometry=polygons, crs=profile["crs"])
    frame = frame[frame.area >= MIN_AREA]
    frame.to_crs(4326).to_file(path, driver="GeoJSON")
    return len(frame)
