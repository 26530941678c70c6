# %% [markdown]
# # Train a model on your own data
#
# One raster and one file of ship polygons are enough. Here both come from rendered harbours, so that the example
# runs anywhere; the network and the training are tiny, so that it takes seconds. For real data use a pretrained
# encoder and more steps, as `configs/own-data.yaml` does. Training needs the extra `geoships[train]`.

# %%
import subprocess
import tempfile
from pathlib import Path

import geopandas
import yaml
from shapely.affinity import affine_transform

from geoships import load_bundle, predict
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.evaluation import evaluate, write_report

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## Scenes and labels
# Two harbours: `east` to train on, `west` to evaluate on. Each scene has a GeoJSON file of the same name with one
# polygon per ship.

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
    "crops": {"size": 64},
    "optimiser": {"rate": 3e-3},
    "run": {"crops": 160, "batch_size": 8, "precision": "fp32", "device": "cpu", "ema": 0.9, "keep": "last"},
    "bundle": {"halo": 16, "threshold": 0.5, "min_peak": 0.8},
}
with (folder / "my-ships.yaml").open("w") as file:
    yaml.safe_dump(settings, file)


# %% [markdown]
# ## Train
# The leading `!` of a notebook does the same: `!geoships train --config my-ships.yaml --out run`. The folder of
# the run holds the bundle, which is the model, and the logs.

# %%
command = ["geoships", "train", "--config", "my-ships.yaml", "--out", "run", "--quiet"]
subprocess.run(command, cwd=folder, check=True)
print(sorted(path.name for path in (folder / "run").iterdir()))

# %% [markdown]
# ## Evaluate
# On the harbour that was held out.

# %%
model = load_bundle(folder / "run" / "bundle")
evaluation = evaluate([str(folder / "west.tif")], [str(folder / "west.geojson")], model=model)
write_report(evaluation, folder / "report")
ships = evaluation.figures["all"]["ships"]["touched"]
print(f"{ships['hit']} of {ships['labelled']} ships found with {ships['found']} polygons")

# %% [markdown]
# A few seconds of training on four ships make a poor model. `report/report.html` shows what it misses and what it
# takes for a ship.
#
# ## Use it

# %%
result = predict(folder / "west.tif", out=folder / "ships.geojson", model=model)
result.ships[["score", "length_m", "heading_deg"]].head().round(2)
