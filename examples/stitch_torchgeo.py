# %% [markdown]
# # Stitch a torchgeo dataset
#
# torchgeo cuts a raster into overlapping tiles. `geoships.stitch` runs any model on them and writes one raster
# without seams.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import rasterio
import torch
import torchgeo.samplers
from torch import nn
from torchgeo.datasets import RasterDataset

from geoships import stitch
from geoships.datasets.harbour import render_harbour, write_harbour

folder = Path(tempfile.mkdtemp())
write_harbour(render_harbour(seed=3, size=384), folder / "harbour.tif")

# %% [markdown]
# ## Dataset and sampler
# These are torchgeo's own. Tiles of 128 pixels overlap by 32. torchgeo 0.10 calls its grid sampler
# `GriddedPatchSampler`.

# %%
dataset = RasterDataset(folder / "harbour.tif")
GridSampler = getattr(torchgeo.samplers, "GriddedPatchSampler", None) or torchgeo.samplers.GridGeoSampler
sampler = GridSampler(dataset, size=128, stride=96)

# %% [markdown]
# ## A model
# Any module that returns logits will do. This one needs no training: water is dark in the near infrared (band 4)
# and brighter in green (band 2), which is the normalised difference water index. The sign of the index separates
# water from the rest.


# %%
class NotWater(nn.Module):
    """Maps reflectance (n, bands, rows, columns) to logits (n, 1, rows, columns)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        green, nir = images[:, 1:2], images[:, 3:4]
        return 10 * (nir - green) / (nir + green).clamp_min(1e-3)


# %% [markdown]
# ## Stitch
# `transform` is the normalisation of the model: here stored values become reflectance. Pixels of value 0 hold no
# data.

# %%
out = stitch(
    dataset,
    sampler,
    NotWater(),
    folder / "scores.tif",
    transform=lambda images: images * 1e-4 - 0.1,
    nodata=0,
    device="cpu",
)

with rasterio.open(out) as raster:
    scores = raster.read(1, masked=True) * raster.scales[0]
    print(raster.profile["driver"], raster.crs, scores.shape)
print(f"{(scores > 0.5).mean():.0%} of the pixels are not water")

# %%
figure, axes = plt.subplots(figsize=(6, 6))
image = axes.imshow(scores, vmin=0, vmax=1)
figure.colorbar(image, ax=axes, label="score", shrink=0.8)
axes.set_axis_off()
