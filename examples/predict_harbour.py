# %% [markdown]
# # Find the ships of a harbour
#
# A rendered harbour goes in, ships with their measures come out. Its ships are known, so the result can be checked.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from shapely.affinity import affine_transform

from geoships import predict
from geoships.datasets.harbour import render_harbour, write_harbour

folder = Path(tempfile.mkdtemp())
scene = folder / "harbour.tif"

# %% [markdown]
# ## The scene
# Five Sentinel-2 bands, 10 m, stored as a Sentinel-2 product stores them: unsigned 16-bit values with a scale and
# an offset.

# %%
harbour = render_harbour(seed=7, size=768)
write_harbour(harbour, scene)
print(harbour.reflectance.shape, "bands, rows, columns;", len(harbour.ships), "ships")

# %% [markdown]
# ## Predict
# Bands, reflectance and the model are chosen from the file. `out` and `mask` are optional: the ships are returned
# in any case.

# %%
result = predict(scene, out=folder / "ships.gpkg", mask=folder / "mask.tif")
print("model:", result.model)
result.ships[["score", "length_m", "width_m", "heading_deg"]].round(2)

# %% [markdown]
# ## Look
# Known outlines are drawn in magenta, predicted ones in yellow. Predicted polygons are in map coordinates; the
# inverse of the geotransform brings them to pixels.

# %%
figure, axes = plt.subplots(figsize=(6, 6))
axes.imshow((harbour.reflectance[[2, 1, 0]].transpose(1, 2, 0) / 0.3).clip(0, 1) ** 0.5)
for ship in harbour.ships:
    axes.plot(*ship.exterior.xy, color="magenta", linewidth=1)
to_pixel = (~harbour.transform).to_shapely()
for polygon in result.ships.geometry:
    axes.plot(*affine_transform(polygon, to_pixel).exterior.xy, color="yellow", linewidth=1)
axes.set_axis_off()

# %% [markdown]
# ## Check
# A labelled ship is found if any polygon overlaps it.

# %%
predicted = [affine_transform(polygon, to_pixel) for polygon in result.ships.geometry]
found = sum(any(ship.intersects(polygon) for polygon in predicted) for ship in harbour.ships)
print(f"{found} of {len(harbour.ships)} ships found with {len(predicted)} polygons")
