"""Whether stored values of Sentinel-2 still contain the offset that their metadata state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoships.errors import SceneError
from geoships.scene.opening.band_files import BandFile
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve
from geoships.scene.radiometry import MAX_FRACTION, MIN_REFLECTANCE

MAX_SIDE = 512  # rows and columns of the overview that is tested

DARKEST = ("blue", "green", "red")


def offset_is_removed(files: Sequence[BandFile]) -> bool:
    """Test whether the offset of -0.1 was already applied to the stored values.

    This is assumed if the offset would make the reflectance of more than a tenth of the pixels less than -0.02, in an
    overview of the band that is darkest over land. A file that has no overviews or cannot be read is not tested: an
    unreadable file is reported when the scene is read.

    Args:
        files: The bands of a Sentinel-2 scene.

    Returns:
        Whether the stored values no longer contain the offset; False if this was not tested.
    """
    by_name = {file.name: file for file in files}
    file = next((by_name[name] for name in DARKEST if name in by_name), files[0])
    try:
        source = resolve(file.href)
        with gdal_env(source), open_dataset(source) as dataset:
            if not dataset.overviews(file.index):
                return False
            shape = tuple(min(side, MAX_SIDE) for side in dataset.shape)
            values = dataset.read(file.index, out_shape=shape)
            nodata = dataset.nodatavals[file.index - 1] if file.nodata is None else file.nodata
    except (SceneError, OSError):
        return False
    values = values[values != (0 if nodata is None else nodata)]
    return bool(values.size) and float(np.mean(values * 1e-4 - 0.1 < MIN_REFLECTANCE)) > MAX_FRACTION
