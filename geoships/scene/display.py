"""Which bands show a scene in colour, and between which values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from geoships.errors import SceneError
from geoships.scene.bands import BandDescription, common_names, describe_bands
from geoships.scene.opening.raster import gdal_env, open_dataset
from geoships.scene.reader import Scene

COMPOSITES = (("red", "green", "blue"), ("nir", "red", "green"), ("nir08", "red", "green"))  # the best first
CUT = (2.0, 98.0)  # percentiles that are drawn black and white
READ_WHOLE = 2**22  # pixels: scenes up to this size are read whole, and larger ones in SAMPLES squares
SHOWN = 1024  # most rows and columns of a whole scene that count, or of its overview
SAMPLES, SAMPLE = 5, 128  # squares along each axis, and their pixels along each side


@dataclass(frozen=True)
class Display:
    """How to draw a scene.

    bands: numbers (from 1) of the bands drawn red, green and blue; or of the one that is drawn in grey.
    ranges: the value drawn black and the one drawn white, for each of `bands`, with the file's own scale and
        offset applied.
    """

    bands: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]


def choose_display(scene: Scene) -> Display:
    """Find true colours, else false colours, else one band; stretched from the 2nd to the 98th percentile.

    Reads a scene with overviews, or up to READ_WHOLE pixels, at low resolution, and squares spread over a larger
    one. Raises SceneError where it cannot be read.
    """
    try:
        with gdal_env(scene.source), open_dataset(scene.source) as dataset:
            bands = _bands(scene, describe_bands(dataset))
            return Display(bands, tuple(_range(dataset, band) for band in bands))
    except RasterioError as error:
        raise SceneError(f"cannot read {scene.name} to show it: {error.__cause__ or error}") from error


def _bands(scene: Scene, described: Sequence[BandDescription]) -> tuple[int, ...]:
    """The numbers of the first composite whose bands are all there; else that of the model's first band."""
    number: dict[str, int] = {}
    for band in described:
        if band.has_color:
            number.setdefault(band.color, band.index)
    named = {name: index for index, name in reversed(common_names(described).items()) if name}
    number |= named | dict(zip(scene.bands.names, scene.bands.indexes, strict=True))
    for composite in COMPOSITES:
        if all(name in number for name in composite):
            return tuple(number[name] for name in composite)
    return scene.bands.indexes[:1]


def _range(dataset: DatasetReader, band: int) -> tuple[float, float]:
    values = np.concatenate([np.zeros(0), *_samples(dataset, band)])
    low, high = np.percentile(values, CUT).tolist() if values.size else (0.0, 1.0)
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    low, high = sorted((low * scale + offset, high * scale + offset))
    return low, high if high > low else low + abs(scale)


def _samples(dataset: DatasetReader, band: int) -> Iterator[NDArray[np.float64]]:
    """Valid stored values of a band, (n,) each."""
    height, width = dataset.shape
    if dataset.overviews(band) or height * width <= READ_WHOLE:
        shape = min(height, SHOWN), min(width, SHOWN)
        yield _valid(dataset.read(band, out_shape=shape, masked=True))
        return
    for row in np.unique(np.linspace(0, max(0, height - SAMPLE), SAMPLES).astype(int)).tolist():
        for column in np.unique(np.linspace(0, max(0, width - SAMPLE), SAMPLES).astype(int)).tolist():
            window = RasterioWindow(column, row, min(SAMPLE, width), min(SAMPLE, height))
            yield _valid(dataset.read(band, window=window, masked=True))


def _valid(values: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]) -> NDArray[np.float64]:
    found = values.compressed().astype(np.float64)
    return found[np.isfinite(found)]
