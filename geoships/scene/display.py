"""Display settings of a scene: its bands in red, green and blue, and the range of values of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from geoships.errors import SceneError
from geoships.scene.bands import BandDescription, common_names, describe_bands
from geoships.scene.opening.raster import gdal_env, open_dataset
from geoships.scene.reader import Scene
from geoships.scene.validity import Validity

COMPOSITES = (("red", "green", "blue"), ("nir", "red", "green"), ("nir08", "red", "green"))  # best first
PERCENTILES = (2.0, 98.0)  # of the valid values: drawn black and white
READ_WHOLE = 2**22  # pixels: scenes up to this size are read whole, and larger ones in squares
MAX_SIDE = 1024  # rows and columns to which a whole scene is resampled, or its overview
SQUARES, SQUARE_SIDE = 5, 128  # number of squares along each axis, and the side of a square in pixels


@dataclass(frozen=True)
class Display:
    """Display settings of a scene.

    Attributes:
        bands: Numbers (from 1) of the bands drawn in red, green and blue, or of the one band drawn in grey.
        ranges: For each of `bands`, the value drawn black and the value drawn white, with scale and offset of the file
            applied.
    """

    bands: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]


def choose_display(scene: Scene) -> Display:
    """Choose true colours, else false colours, else one band in grey, stretched from the 2nd to the 98th percentile.

    The percentiles are computed at low resolution for a scene with overviews or up to READ_WHOLE pixels, and otherwise
    from squares at regular distances.

    Args:
        scene: The scene.

    Returns:
        Bands and their ranges of values.

    Raises:
        SceneError: The scene cannot be read.
    """
    try:
        with gdal_env(scene.source), open_dataset(scene.source) as dataset:
            bands = _bands(scene, describe_bands(dataset))
            return Display(bands, tuple(_range(dataset, band) for band in bands))
    except RasterioError as error:
        raise SceneError(
            f"cannot read {scene.name} to choose display colours: {error.__cause__ or error}; "
            "check that the file is complete and readable"
        ) from error


def _bands(scene: Scene, described: Sequence[BandDescription]) -> tuple[int, ...]:
    """Band numbers of the first composite whose bands are all in the scene; else of the first band of the model."""
    indexes: dict[str, int] = {}
    for band in described:
        if band.has_color:
            indexes.setdefault(band.color, band.index)
    named = {name: index for index, name in reversed(common_names(described).items()) if name}
    indexes |= named | dict(zip(scene.bands.names, scene.bands.indexes, strict=True))
    for composite in COMPOSITES:
        if all(name in indexes for name in composite):
            return tuple(indexes[name] for name in composite)
    return scene.bands.indexes[:1]


def _range(dataset: DatasetReader, band: int) -> tuple[float, float]:
    values = np.concatenate([np.zeros(0), *_read_values(dataset, band)])
    low, high = np.percentile(values, PERCENTILES).tolist() if values.size else (0.0, 1.0)
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    low, high = sorted((low * scale + offset, high * scale + offset))
    return low, high if high > low else low + abs(scale)


def _read_values(dataset: DatasetReader, band: int) -> Iterator[NDArray[np.float64]]:
    """Valid stored values of a band, in arrays of shape (n,)."""
    height, width = dataset.shape
    if dataset.overviews(band) or height * width <= READ_WHOLE:
        shape = min(height, MAX_SIDE), min(width, MAX_SIDE)
        yield _valid(dataset, band, out_shape=(1, *shape))
        return
    for row in np.unique(np.linspace(0, max(0, height - SQUARE_SIDE), SQUARES).astype(int)).tolist():
        for column in np.unique(np.linspace(0, max(0, width - SQUARE_SIDE), SQUARES).astype(int)).tolist():
            window = RasterioWindow(column, row, min(SQUARE_SIDE, width), min(SQUARE_SIDE, height))
            yield _valid(dataset, band, window=window)


def _valid(dataset: DatasetReader, band: int, **options: Any) -> NDArray[np.float64]:
    values = dataset.read([band], **options)
    valid = Validity.of(dataset, [band]).mask(dataset, values, options.get("window"))
    return np.asarray(values[0][valid], np.float64)
