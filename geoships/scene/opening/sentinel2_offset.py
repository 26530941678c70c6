"""Whether numbers of Sentinel-2 still hold the offset that their metadata name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoships.errors import SceneError
from geoships.scene.opening.band_files import BandFile
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve

SIDE = 512  # pixels of the overview that is looked at

# Surface reflectance of dark water and shadow scatters around 0, by a few thousandths. Where the offset of -0.1 is
# taken off twice, all water and forest lie between -0.1 and -0.05.
IMPOSSIBLE = -0.02
SHARE = 0.1

DARKEST = ("blue", "green", "red")


def offset_is_gone(files: Sequence[BandFile]) -> bool:
    """Whether an offset of -0.1 would make more than a tenth of the numbers impossibly negative.

    It looks at an overview of the band that is darkest over land. A file without overviews is not looked at, nor one
    that cannot be read: whoever reads the scene will say so.
    """
    by_name = {file.name: file for file in files}
    file = next((by_name[name] for name in DARKEST if name in by_name), files[0])
    try:
        source = resolve(file.href)
        with gdal_env(source), open_dataset(source) as dataset:
            if not dataset.overviews(file.index):
                return False
            shape = tuple(min(side, SIDE) for side in dataset.shape)
            values = dataset.read(file.index, out_shape=shape)
            nodata = dataset.nodatavals[file.index - 1] if file.nodata is None else file.nodata
    except (SceneError, OSError):
        return False
    values = values[values != (0 if nodata is None else nodata)]
    return bool(values.size) and float(np.mean(values * 1e-4 - 0.1 < IMPOSSIBLE)) > SHARE
