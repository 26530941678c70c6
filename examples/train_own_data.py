# %% [markdown]
# # Train a model on your own data
#
# One raster and one file of ship polygons are enough. Here both come from rendered harbours, so that the example runs anywhere; the
# network and the training are tiny, so that it takes seconds. For real data use a pretrained encoder and more steps, as
# `configs/own-data.yaml` does. Training needs the extra `geoships[train]`.

# %%
import json
import subprocess
import tempfile
from pathlib import Path

import geopandas
import yaml
from shapely.affinity import affine_transform

from geoships.datasets.harbour import render_harbour, write_harbour

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## Scenes and labels
# Two harbours: `east` to train on, `west` to evaluate on. Each scene has a GeoJSON file of the same name with one polygon per ship.

# %%
for name, seed in (("east", 11), ("west", 12)):
    harbour = render_harbour(seed=seed, size=512)
    write_harbour(harbour, folder / f"{name}.tif")
    outlines = [affine_transform(ship, harbour.transform.to_shapely()) for ship in harbour.ships]
    labels = geopandas.GeoDataFrame(geometry=outlines, crs=harbour.crs)
    labels.to_file(folder / f"{name}.geojson")
    print(f"{name}: {len(labels)} ships")

# %% [markdown]
# ## Settings
# Everything that is left out has a default.

# %%
settings = {
    "name": "my-ships",
    "data": {
        "root": str(folder),
        "scenes": ["*.tif"],
        "labels": ".",
        "hold_out": ["west"],
        "bands": ["green", "red", "nir"],
        "gsd": 10,
        "gsd_range": [5, 15],
        "validation": {"share": 0},
    },
    "network": {"options": {"encoder_depth": 3, "decoder_channels": [24, 16, 8]}},
    "crops": {"size": 64, "count": 64},
    "optimiser": {"rate": 3e-3},
    "run": {"epochs": 3, "batch_size": 4, "precision": "fp32", "device": "cpu", "ema": 0.9, "keep": "last"},
    "bundle": {"halo": 16, "threshold": 0.5},
}
(folder / "my-ships.yaml").write_text(yaml.safe_dump(settings))


# %%
def geoships(*arguments: str) -> str:
    """Run a geoships command in the folder; in a notebook, `!geoships ...` does the same."""
    return subprocess.run(["geoships", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


# %% [markdown]
# ## Train

# %%
print(geoships("train", "--config", "my-ships.yaml", "--out", "run"))

# %% [markdown]
# ## Evaluate
# On the harbour that was held out.

# %%
summary = geoships(
    "evaluate", "run/bundle", "--scenes", "west.tif", "--labels", "west.geojson", "--out", "report", "--json", "--quiet"
)
ships = json.loads(summary)["all"]["ships"]["touched"]
print(f"recall {ships['recall']:.2f}, precision {ships['precision']:.2f}")

# %% [markdown]
# A few seconds of training on a few ships make a poor model. `report/report.html` shows what it misses.
#
# ## Use it

# %%
geoships("predict", "west.tif", "--model", "run/bundle", "--out", "ships.geojson", "--quiet")
geopandas.read_file(folder / "ships.geojson")[["score", "length_m", "heading_deg"]].head().round(2)
