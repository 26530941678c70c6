# %% [markdown]
# # Arrays, datasets and files
#
# A scene is often in memory already, or comes from another library. `geoships.predict` takes it in the form it has,
# and finds the same ships in each. DataArrays need the extra `geoships[xarray]`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import rasterio
import rioxarray
import shapely

from geoships import predict
from geoships.datasets.harbour import render_harbour, write_harbour

folder = Path(tempfile.mkdtemp())
path = folder / "harbour.tif"
write_harbour(render_harbour(seed=7, size=512), path)
ships = {}

# %% [markdown]
# ## A file
# Everything is read from the file: place, bands, and the scale from stored values to reflectance.

# %%
ships["path"] = predict(path).ships
ships["path"][["score", "length_m", "width_m", "heading_deg"]].round(2)

# %% [markdown]
# ## An open dataset
# Any dataset of rasterio that is open for reading will do: a file, a file in memory, or a `WarpedVRT`.

# %%
with rasterio.open(path) as dataset:
    ships["dataset"] = predict(dataset).ships
    values = dataset.read()
    transform, crs, nodata = dataset.transform, dataset.crs, dataset.nodata
    names, scale, offset = dataset.descriptions, dataset.scales[0], dataset.offsets[0]

# %% [markdown]
# ## An array
# Bands come first: the shape is (bands, rows, columns). An array does not know its place, the names of its bands,
# which value stands for no data and what the others mean, so all this is said beside it. Here reflectance is
# value * 0.0001 - 0.1; `sensor="sentinel-2-l2a"` would say the same.

# %%
print(values.shape, values.dtype, names)
said = {"transform": transform, "crs": crs, "nodata": nodata, "bands": names, "scale": scale, "offset": offset}
ships["array"] = predict(values, **said).ships

# %% [markdown]
# ## A DataArray
# rioxarray keeps place and metadata with the values. Scores and mask can come back as DataArrays on the same grid.

# %%
scene = rioxarray.open_rasterio(path)
result = predict(scene, return_scores="xarray")
ships["DataArray"] = result.ships
print(result.scores.dims, result.scores.shape, result.scores.rio.crs)

# %% [markdown]
# ## The same ships
# Outlines are compared to a thousandth of a metre.

# %%
for form, found in ships.items():
    same = shapely.equals_exact(found.geometry.array, ships["path"].geometry.array, 1e-3).all()
    print(f"{form}: {len(found)} ships, {'the same' if same else 'others'}")

# %% [markdown]
# ## Settings as keywords
# Every setting of the command line is a keyword. An area is a geometry in the scene's coordinates, a GeoDataFrame or
# a file.

# %%
west, south, east, north = result.scores.rio.bounds()
half = shapely.box(west, (south + north) / 2, east, north)
part = predict(scene, area=half, model="sentinel2-5band")
print(f"{len(part.ships)} of {len(result.ships)} ships lie in the northern half")

# %%
figure, axes = plt.subplots(figsize=(6, 6))
result.scores.plot.imshow(ax=axes, cmap="gray", vmin=0, vmax=1, add_colorbar=False)
result.ships.boundary.plot(ax=axes, color="yellow", linewidth=1)
part.ships.boundary.plot(ax=axes, color="red", linewidth=1)
axes.set_axis_off()
