"""Scenes in the forms in which a program has them: named, open, or in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import BufferedDatasetWriter, DatasetReader, DatasetWriter
from rasterio.vrt import WarpedVRT

from geoships.errors import SceneError
from geoships.scene.opening.array import ArrayScene, array_scene
from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.data_array import is_data_array, read_data_array
from geoships.scene.opening.memory_scene import MemoryScene, dataset_scene

if TYPE_CHECKING:
    from xarray import DataArray

    SceneLike: TypeAlias = SceneName | DatasetReader | WarpedVRT | NDArray[Any] | DataArray

Bands = Sequence[int | str]


class Placement(TypedDict, total=False):
    """What an array does not say of itself.

    transform: geotransform, pixel coordinates (column, row) to map coordinates. crs: coordinate reference system, as
    rasterio and pyproj understand it. nodata: stored value of pixels without data.
    """

    transform: Affine | None
    crs: object
    nodata: float | None


def take_scene(
    scene: SceneLike, placement: Placement, bands: Bands | None
) -> tuple[SceneName | MemoryScene, Bands | None]:
    """Take a scene in any form.

    Args:
        scene: As for `open_scene`, a dataset that is open for reading, a NumPy array or an xarray DataArray.
        placement: For arrays only; replaces what a DataArray says of itself.
        bands: As `Reading.bands`. Texts are the names of an array's bands instead, if it has none.

    Returns:
        The scene, to be closed at the end if it is a MemoryScene; and `bands`, or None if they named the array's.

    Raises:
        SceneError: The scene is something else, or cannot be used.
    """
    stated = [name for name, value in placement.items() if value is not None]
    array = _array(scene)
    if array is not None:
        given = {name: value for name, value in placement.items() if value is not None}
        named = array.bands is None and bands is not None and all(isinstance(band, str) for band in bands)
        array = replace(array, **given, **({"bands": bands} if named else {}))  # type: ignore[arg-type]
        return array_scene(array), None if named else bands
    if stated:
        raise SceneError(f"{stated[0]}= belongs to arrays; leave it out, this scene says it itself")
    if isinstance(scene, (DatasetReader, WarpedVRT, DatasetWriter, BufferedDatasetWriter)):
        return dataset_scene(scene), bands
    if isinstance(scene, (str, os.PathLike, BandFiles)):
        return scene, bands
    raise SceneError(
        "a scene is a path, a URL, an open rasterio dataset, a NumPy array with transform= and crs=, or an xarray "
        f"DataArray; got {type(scene).__name__}"
    )


def _array(scene: object) -> ArrayScene | None:
    if isinstance(scene, np.ndarray):
        return ArrayScene(scene)
    return read_data_array(scene) if is_data_array(scene) else None  # type: ignore[arg-type]
