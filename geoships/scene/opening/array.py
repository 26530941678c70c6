"""Arrays as scenes: NumPy arrays with their place on Earth and the names of their bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile

from geoships.errors import SceneError
from geoships.scene.opening.memory_scene import ARRAY, MemoryScene
from geoships.scene.opening.raster import Source, gdal_env
from geoships.support.transform_warning import without_transform_warning

BLOCK = 512  # rows and columns of a block of the raster in memory
MOST_BANDS = 16  # on the last axis, by which an array with the bands there is told
STORED_AS = {"bool": "uint8", "float16": "float32", "float96": "float64", "float128": "float64"}  # types GDAL has not


@dataclass(frozen=True)
class ArrayScene:
    """An array and what a file would say of it.

    Attributes:
        values: Stored values, shape (bands, rows, columns), or (rows, columns) for one band. What a masked array masks
            has no data.
        transform: Geotransform: pixel coordinates (column, row) to map coordinates; None: pixel coordinates.
        crs: Coordinate reference system, as rasterio and pyproj understand it; None: unknown.
        nodata: Stored value of pixels without data; None: there is none.
        bands: Names of the bands, one for each; None: they have no names.
        common_names: Names of the bands in the STAC electro-optical extension, where `bands` are others.
        scales: Scale of each band to reflectance = stored value * scale + offset.
        offsets: Offset of each band.
        tags: Metadata tags.
        name: Name of the scene.
    """

    values: NDArray[Any]
    transform: Affine | None = None
    crs: object = None
    nodata: float | None = None
    bands: Sequence[str] | None = None
    common_names: Sequence[str] | None = None
    scales: Sequence[float] | None = None
    offsets: Sequence[float] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    name: str = ARRAY

    def __post_init__(self) -> None:
        if self.transform is not None and not isinstance(self.transform, Affine):
            raise SceneError(
                f"transform=: expected an affine.Affine, such as dataset.transform, got {self.transform!r:.80}"
            )
        if self.transform is not None and not (np.isfinite(tuple(self.transform)).all() and self.transform.determinant):
            raise SceneError(f"transform=: its pixels have no size {tuple(self.transform)[:6]}; give the array's own")


def array_scene(array: ArrayScene) -> MemoryScene:
    """Make a scene of an array: a GeoTIFF in memory, which takes the array's size once more.

    Args:
        array: The array and its metadata.

    Returns:
        The scene. Close it at the end.

    Raises:
        SceneError: The array is no image, or its metadata do not fit it.
    """
    values, nodata, valid = _with_nodata(_checked(array.values), array.nodata)
    count, height, width = values.shape
    if array.bands is not None and len(array.bands) != count:
        raise SceneError(f"bands=: expected {count} names for {count} bands of the array, got {len(array.bands)}")
    profile = {
        "driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype.name,
        "nodata": nodata, "bigtiff": "if_safer", "interleave": "band", "photometric": "minisblack", **_placement(array),
    }  # fmt: skip
    if min(height, width) >= BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    memory = MemoryFile(ext=".tif")
    try:
        with without_transform_warning(), gdal_env(), memory.open(**profile) as dataset:
            dataset.write(values)
            if valid is not None:
                dataset.write_mask(valid)
            # GDAL would take the fourth band of any image as its transparency
            dataset.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * (count - 1)]
            _describe(dataset, array)
    except (RasterioError, ValueError, TypeError) as error:
        memory.close()
        raise SceneError(f"the array cannot be stored as a raster: {error}") from error
    except BaseException:
        memory.close()
        raise
    return MemoryScene(array.name, Source(array.name, memory.name, "GTiff", None, is_remote=False), (), memory)


def _checked(values: NDArray[Any]) -> NDArray[Any]:
    """The array as (bands, rows, columns), in a data type of GDAL and the byte order of the machine."""
    shape = values.shape
    if values.ndim not in (2, 3) or 0 in shape:
        raise SceneError(f"an array needs the shape (bands, rows, columns), got {shape}")
    if values.ndim == 3 and shape[2] <= MOST_BANDS < min(shape[:2]):
        raise SceneError(
            f"an array needs the shape (bands, rows, columns), got {shape}, which looks like bands last; "
            "give numpy.moveaxis(array, -1, 0)"
        )
    kind = values.dtype
    if kind.kind == "c":
        raise SceneError(f"the array's values are complex ({kind}); compute amplitude or intensity first")
    if kind.kind not in "biuf":
        raise SceneError(f"the array's values are no numbers ({kind}); convert them, e.g. with array.astype('float32')")
    values = values.astype(STORED_AS.get(kind.name, kind.newbyteorder("=").name), copy=False)
    return values[None] if values.ndim == 2 else values


def _with_nodata(
    values: NDArray[Any], nodata: float | None
) -> tuple[NDArray[Any], float | None, NDArray[np.bool_] | None]:
    """Values, their nodata value, and which pixels are valid where no value tells it."""
    if not isinstance(values, np.ma.MaskedArray):
        return values, nodata, None
    data, masks = np.asarray(values.data), np.ma.getmaskarray(values)
    if not masks.any():
        return data, nodata, None
    fill = data.dtype.type(values.fill_value)
    if nodata is None and np.array_equal(masks, data == fill):
        return data, float(fill), None  # the mask says no more than the value does, as that of a file that was read
    if data.dtype.kind == "f":
        return np.where(masks, np.nan, data), nodata, None
    valid: NDArray[np.bool_] = np.logical_not(masks.any(axis=0))
    return data, nodata, valid


def _placement(array: ArrayScene) -> dict[str, object]:
    placement: dict[str, object] = {} if array.transform is None else {"transform": array.transform}
    if array.crs is None:
        return placement
    try:
        return {**placement, "crs": CRS.from_user_input(array.crs)}
    except CRSError as error:
        raise SceneError(f"crs=: {array.crs!r:.80} is no coordinate reference system; give e.g. EPSG:32631") from error


def _describe(dataset: Any, array: ArrayScene) -> None:
    count = dataset.count
    dataset.update_tags(**array.tags)
    dataset.scales, dataset.offsets = array.scales or (1.0,) * count, array.offsets or (0.0,) * count
    for index, name in enumerate(array.bands or (), 1):
        dataset.set_band_description(index, str(name))
    for index, name in enumerate(array.common_names or (), 1):
        dataset.update_tags(index, COMMON_NAME=str(name))
