"""The benchmark's network in plain PyTorch, and plain ends of a script: for tools that bring neither."""

from __future__ import annotations

import json
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import nn

MIN_AREA = 300  # square metres of the smallest ship, as geoships has it


class Plain(nn.Module):
    """Numbers of eight bits divided by 255 in; logits out, of the ship alone or of water (always 0) and ship."""

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


def write_raster(path, array, profile) -> None:
    """Write (rows, columns) as a Cloud Optimized GeoTIFF on the grid of a scene's profile."""
    import rasterio

    place = {key: profile[key] for key in ("crs", "transform", "width", "height")}
    with rasterio.open(path, "w", driver="COG", count=1, dtype=array.dtype, compress="deflate", **place) as dataset:
        dataset.write(array, 1)


def write_polygons(path, mask, profile) -> int:
    """Write the outlines of a mask of uint8 as GeoJSON in degrees, and return how many there are."""
    import geopandas
    from rasterio.features import shapes
    from shapely.geometry import shape

    found = [shape(outline) for outline, _ in shapes(mask, mask == 1, 8, profile["transform"])]
    frame = geopandas.GeoDataFrame(geometry=found, crs=profile["crs"])
    frame = frame[frame.area >= MIN_AREA]
    frame.to_crs(4326).to_file(path, driver="GeoJSON")
    return len(frame)
