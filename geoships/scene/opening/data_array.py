"""xarray DataArrays as scenes, by the conventions of rioxarray."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoships.errors import SceneError
from geoships.scene.opening.array import ArrayScene
from geoships.scene.opening.memory_scene import ARRAY

if TYPE_CHECKING:
    from xarray import DataArray

BAND_DIMENSIONS = ("band", "bands", "variable", "wavelength")
NAMES, COMMON_NAMES = ("band_name", "title", "long_name"), ("common_name", "eo:common_name")
TIMES = ("time", "datetime")


def is_data_array(scene: object) -> bool:
    """Whether something is an xarray DataArray; xarray is not imported for that.

    Raises:
        SceneError: It is an xarray Dataset.
    """
    xarray = sys.modules.get("xarray")
    if xarray is None:
        return False
    if isinstance(scene, xarray.Dataset):
        raise SceneError("an xarray Dataset holds several arrays; give one, e.g. scene.to_dataarray('band')")
    return isinstance(scene, xarray.DataArray)


def read_data_array(scene: DataArray) -> ArrayScene:
    """Read a DataArray and what it says of itself by the conventions of rioxarray.

    Taken are `rio.crs`, `rio.transform`, nodata (`_FillValue` and its like), names of the bands (a coordinate of the
    band dimension, `common_name`, or the attribute `long_name`), `scale_factor` and `add_offset`, other attributes as
    metadata tags, and a single time. Values that rioxarray has masked to float are stored again as in their file, so
    that they are understood alike.

    Args:
        scene: Dimensions: rows, columns and possibly bands, in any order; others of size 1 are dropped.

    Returns:
        The array, loaded into memory, and its metadata.

    Raises:
        SceneError: rioxarray is not installed, or the DataArray is no image.
    """
    try:
        import rioxarray  # noqa: F401 - adds `.rio`
        from rioxarray.exceptions import RioXarrayError
    except ImportError as error:
        raise SceneError("a DataArray needs rioxarray: install geoships with its extra, geoships[xarray]") from error
    try:
        across, down = scene.rio.x_dim, scene.rio.y_dim
        image, dimension = _image(scene, across, down)
        transform, crs, encoded = _transform(image), image.rio.crs, image.rio.encoded_nodata
        stated = image.rio.nodata
    except RioXarrayError as error:
        raise SceneError(f"the DataArray is no image: {' '.join(str(error).split())}") from error
    values, nodata = _as_stored(image.to_numpy(), image.encoding, encoded, stated)
    count = 1 if dimension is None else image.sizes[dimension]
    scales, offsets = _scaling(image.attrs, count)
    read = ArrayScene(
        values, transform, crs, nodata, scales=scales, offsets=offsets, tags=_tags(image), name=str(scene.name or ARRAY)
    )
    if dimension is None:
        return replace(read, bands=_texts(scene.attrs.get("long_name"), 1))
    names = [_texts(image.coords[name], count) for name in COMMON_NAMES if name in image.coords]
    return replace(read, bands=_band_names(image, dimension), common_names=next(filter(None, names), None))


def _image(scene: DataArray, across: Any, down: Any) -> tuple[DataArray, Any]:
    """The DataArray with its dimensions in the order (bands, rows, columns), and the band dimension, if it has one."""
    others = [name for name in scene.dims if name not in (across, down)]
    for name in [name for name in others if scene.sizes[name] == 1 and name not in BAND_DIMENSIONS]:
        scene = scene.isel({name: 0})
        others.remove(name)
    times = [name for name in others if name in TIMES or scene.coords.get(name, scene[name]).dtype.kind == "M"]
    if times:
        raise SceneError(f"the DataArray has {scene.sizes[times[0]]} times; choose one, e.g. scene.isel({times[0]}=0)")
    if len(others) > 1:
        raise SceneError(f"the DataArray has the dimensions {', '.join(map(str, scene.dims))}; choose one image of it")
    return scene.transpose(*others, down, across), (others or [None])[0]


def _transform(image: DataArray) -> Affine | None:
    """The geotransform of the coordinates, or of the attributes where these say the same more exactly.

    A slice of a DataArray keeps the attribute of the whole.
    """
    cached: Affine = image.rio.transform()
    stated = None if cached.is_identity else cached
    for name in (image.rio.x_dim, image.rio.y_dim):
        if name not in image.coords:
            return stated
        steps = np.diff(np.asarray(image.coords[name], np.float64))
        if steps.size and not np.allclose(steps, steps[0], rtol=0.01, atol=0):
            raise SceneError(f"the coordinates {name} of the DataArray are not evenly spaced; resample it to a grid")
    fresh: Affine = image.rio.transform(recalc=True)
    corners = np.array([[0, 0, image.rio.width], [0, image.rio.height, 0]], np.float64)
    if stated is None or fresh.is_degenerate:
        return stated or fresh
    drift = np.array(stated @ tuple(corners)) - np.array(fresh @ tuple(corners))
    pixel = max(abs(fresh.a), abs(fresh.e))
    return stated if np.abs(drift).max() < 1e-3 * pixel else fresh


def _as_stored(
    values: NDArray[Any], encoding: Mapping[Any, Any], encoded: float | None, stated: float | None
) -> tuple[NDArray[Any], float | None]:
    """Values and nodata value as the file of a DataArray stores them, where it holds them as float instead."""
    nodata = stated if encoded is None else encoded
    stored = np.dtype(encoding.get("rasterio_dtype", encoding.get("dtype", values.dtype)))
    if values.dtype.kind != "f" or stored.kind not in "iu" or {"scale_factor", "scales"} & set(encoding):
        return values, stated
    missing = np.isnan(values)
    if missing.any() and nodata is None:
        return values, stated
    limits = np.iinfo(stored)
    filled = np.where(missing, 0 if nodata is None else nodata, values)
    whole = (filled == np.rint(filled)) & (filled >= limits.min) & (filled <= limits.max)
    return (filled.astype(stored), nodata) if whole.all() else (values, stated)


def _band_names(image: DataArray, dimension: Any) -> list[str] | None:
    """Names of the bands: the texts of the band coordinate, or of another coordinate or attribute."""
    count = image.sizes[dimension]
    coordinates = [dimension, *NAMES, *COMMON_NAMES]
    found = [_texts(image.coords[name], count) for name in coordinates if name in image.coords]
    return next((names for names in [*found, _texts(image.attrs.get("long_name"), count)] if names), None)


def _texts(given: Any, count: int) -> list[str] | None:
    """So many texts; None where it is something else."""
    items = [given] if isinstance(given, str) else given
    if items is None or (not isinstance(items, Sequence) and getattr(items, "ndim", 0) != 1):
        return None
    texts = [getattr(item, "item", lambda item=item: item)() for item in items]
    return texts if len(texts) == count and all(isinstance(text, str) and text for text in texts) else None


def _scaling(attributes: Mapping[Any, Any], count: int) -> tuple[list[float], list[float]]:
    """Scale and offset of each band; those that rioxarray has applied already are no attributes any more."""
    scale = attributes.get("scales", attributes.get("scale_factor", 1.0))
    offset = attributes.get("offsets", attributes.get("add_offset", 0.0))
    scales, offsets = (np.broadcast_to(np.asarray(value, np.float64), count).tolist() for value in (scale, offset))
    return scales, offsets


def _tags(image: DataArray) -> dict[str, str]:
    tags = {str(name): str(value) for name, value in image.attrs.items() if isinstance(value, (str, int, float))}
    for name in TIMES:
        if name in image.coords and image.coords[name].ndim == 0 and image.coords[name].dtype.kind == "M":
            tags["ACQUISITION_DATETIME"] = str(image.coords[name].to_numpy().astype("datetime64[s]"))
    return tags
