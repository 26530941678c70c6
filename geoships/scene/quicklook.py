"""Quicklook of a scene: an RGB overview of the whole scene, and RGB images of windows at full resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from geoships.errors import SceneError
from geoships.scene.bands import BandDescription, choose_bands, common_names, describe_bands
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.names import title_of
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import Source, gdal_env, open_dataset
from geoships.scene.stored import read_stored
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity

RGBImage = NDArray[np.uint8]  # (rows, columns, 3): red, green, blue

CHUNK = 2048  # squared: scene pixels that are read at once, unless a block is larger
SMALLEST = 64  # scene pixels a side of a part that cannot be read and is not divided further
PERCENTILES = (1.0, 99.5)  # of the valid values of a band: drawn black and white
COMPOSITES = (  # bands for red, green and blue; the first whose bands the scene has
    ("red", "green", "blue"),
    ("nir", "red", "green"),
    ("nir08", "red", "green"),
    ("swir16", "nir", "red"),
)


@dataclass(frozen=True)
class Stretch:
    """Square-root contrast stretch of a band to 8 bits: 255 * sqrt((value - low) / (high - low)), clipped.

    Attributes:
        low: Stored value that is drawn black.
        high: Stored value that is drawn white.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Stretch:
        """Stretch between the percentiles 1 and 99.5 of the values.

        Args:
            values: Finite values, of any shape.

        Returns:
            The stretch; from 0 to 1 if there are no values.

        >>> Stretch.of(np.arange(201, dtype="float32"))
        Stretch(low=2.0, high=199.0)
        """
        if not values.size:
            return cls(0.0, 1.0)
        low, high = (float(value) for value in np.percentile(values, PERCENTILES))
        if low == high:  # nearly all values are equal: stretch over the others
            low, high = float(values.min()), float(values.max())
        return cls(low, high)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Stretch values to 0 to 255.

        Args:
            values: Finite values, of any shape.

        Returns:
            8-bit values of the same shape; all 0 if `low` and `high` are equal.
        """
        if self.high <= self.low:
            return np.zeros(values.shape, np.uint8)
        stretched = (values - np.float32(self.low)) / np.float32(self.high - self.low)
        np.sqrt(stretched.clip(0, 1, out=stretched), out=stretched)
        stretched *= 255
        return np.asarray(stretched.round(out=stretched), np.uint8)


@dataclass(frozen=True)
class Overview:
    """A small RGB image of a whole scene, with pixels that are square on the ground if the pixel size is known.

    Attributes:
        image: RGB image, shape (rows, columns, 3).
        valid: Whether a pixel has data, shape (rows, columns).
        scale: Image pixels per scene pixel, (along columns, along rows).
        pixel_metres: Side of an image pixel at the centre of the scene, in metres on the ellipsoid; None if unknown.
    """

    image: RGBImage
    valid: NDArray[np.bool_]
    scale: tuple[float, float]
    pixel_metres: float | None


class Quicklook:
    """An open scene of which RGB images can be read; opened by `open_quicklook`.

    Args:
        dataset: The open dataset.
        source: Source of the dataset.
        indexes: Numbers (from 1) of three bands shown in red, green and blue, or of one band shown in grey.
        band_names: Names of these bands, as text.
        size: Longest side of the overview in pixels.
        skip: Show parts of the file that cannot be read as parts without data.

    Attributes:
        band_names: Names of the bands shown, as text.
        georeference: Georeference of the scene.
        overview: RGB image of the whole scene.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        source: Source,
        indexes: Sequence[int],
        band_names: str,
        size: int,
        *,
        skip: bool = False,
    ) -> None:
        self._skip = skip
        self._dataset, self._source, self._indexes, self.band_names = dataset, source, tuple(indexes), band_names
        self.georeference: Georeference = georeference_of(dataset)
        self._validity = Validity.of(dataset, indexes)
        self._overviews: list[int] = dataset.overviews(indexes[0])
        self._block: tuple[int, int] = dataset.block_shapes[indexes[0] - 1]
        self.overview = self._overview(size)

    @property
    def title(self) -> str:
        """File name without folders, and without the query of a URL."""
        return title_of(self._source.name)

    @property
    def window(self) -> Window:
        """Window of the whole scene."""
        return Window(0, 0, self.georeference.height, self.georeference.width)

    def read(self, window: Window, size: int) -> RGBImage:
        """Read an RGB image of a window, with the contrast stretch of the overview.

        Args:
            window: Window in pixels of the scene; only its part inside the scene is read.
            size: Maximum side of the image in pixels. Larger windows are resampled.

        Returns:
            RGB image, shape (rows, columns, 3), in pixels of the scene unless resampled; black where there is no data.

        Raises:
            SceneError: The file is damaged or unreachable.
        """
        inside = window.intersection(self.window)
        step = max(1.0, max(inside.shape) / size)
        shape = (max(1, round(inside.height / step)), max(1, round(inside.width / step)))
        if inside.empty:
            return np.zeros((*shape, 3), np.uint8)
        values, valid = self._read_means(inside, shape)
        return self._render(list(values), valid)

    def read_exact(self, window: Window) -> tuple[RGBImage, NDArray[np.bool_]]:
        """Read an RGB image of a window at the scene's own pixels, and which of them have data.

        Args:
            window: Window in pixels of the scene, inside it.

        Returns:
            RGB image, shape (rows, columns, 3), stretched as the overview, and a mask of shape (rows, columns).

        Raises:
            SceneError: The file is damaged or unreachable.
        """
        values, valid = self._read_means(window, window.shape)
        return self._render(list(values), valid), valid

    def _overview(self, size: int) -> Overview:
        shape, metres = _overview_shape(self.georeference, size)
        scale = (shape[1] / self.georeference.width, shape[0] / self.georeference.height)
        values, valid = np.zeros((len(self._indexes), *shape), np.float32), np.zeros(shape, np.bool_)
        for window, target in self._chunks(shape):
            slices = target.within(Window(0, 0, *shape))
            values[:, *slices], valid[slices] = self._read_means(window, target.shape)
        self._stretches = [Stretch.of(band[valid]) for band in values]
        return Overview(self._render(list(values), valid), valid, scale, metres)

    def _chunks(self, shape: tuple[int, int]) -> Iterator[tuple[Window, Window]]:
        """Windows of whole blocks that cover the scene, each with its window in an image of `shape`.

        Each block is decoded once, and windows in the image are exact to half an image pixel.
        """
        (block_height, block_width), (rows, columns) = self._block, shape
        across = _edges(self.georeference.width, block_width, CHUNK, columns)
        longest = max(right[0] - left[0] for left, right in pairwise(across))
        down = _edges(self.georeference.height, block_height, CHUNK * CHUNK // longest, rows)
        for (top, to_top), (bottom, to_bottom) in pairwise(down):
            for (left, to_left), (right, to_right) in pairwise(across):
                yield (
                    Window(top, left, bottom - top, right - left),
                    Window(to_top, to_left, to_bottom - to_top, to_right - to_left),
                )

    def _render(self, values: Sequence[NDArray[np.float32]], valid: NDArray[np.bool_]) -> RGBImage:
        """Stretched bands as red, green and blue; a single band in grey."""
        bands = [stretch.apply(band) * valid for band, stretch in zip(values, self._stretches, strict=True)]
        return np.stack(bands if len(bands) == 3 else bands * 3, axis=2)

    def _read_means(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Means (bands, *shape) of the valid pixels of a window, and whether at least half of the pixels are valid."""
        try:
            with gdal_env(self._source):
                return self._means(window, shape)
        except RasterioError as error:
            if self._skip:
                return self._readable_means(window, shape)
            raise SceneError(
                f"cannot read {self.title}: {error.__cause__ or error}; the file is damaged or unreachable"
            ) from error

    def _readable_means(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Means of the parts of a window that can be read: it is halved until a part is too small to show."""
        axis = int(shape[1] > shape[0])
        if shape[axis] < 2 or max(window.shape) <= SMALLEST:
            return np.zeros((len(self._indexes), *shape), np.float32), np.zeros(shape, np.bool_)
        halves = (window.shape[axis] // 2, window.shape[axis] - window.shape[axis] // 2)
        sides = (shape[axis] // 2, shape[axis] - shape[axis] // 2)
        parts = (
            replace(window, height=halves[0]) if axis == 0 else replace(window, width=halves[0]),
            replace(window, row=window.row + halves[0], height=halves[1])
            if axis == 0
            else replace(window, column=window.column + halves[0], width=halves[1]),
        )
        shapes = [(side, shape[1]) if axis == 0 else (shape[0], side) for side in sides]
        means = [self._read_means(part, each) for part, each in zip(parts, shapes, strict=True)]
        return np.concatenate([mean for mean, _ in means], axis + 1), np.concatenate([v for _, v in means], axis)

    def _means(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        step = min(window.height / shape[0], window.width / shape[1])
        factor = max([1, *(factor for factor in self._overviews if factor <= step)])
        area = RasterioWindow(window.column, window.row, window.width, window.height)
        read_shape = (len(self._indexes), -(-window.height // factor), -(-window.width // factor))
        stored = read_stored(self._dataset, self._indexes, window=area, out_shape=read_shape)
        valid = self._validity.mask(self._dataset, stored, area)
        weight = _resized(valid.astype(np.float32), shape)
        if valid.all():
            return np.stack([_resized(band.astype(np.float32), shape) for band in stored]), weight > 0
        sums = np.stack([_resized(np.where(valid, band, 0).astype(np.float32), shape) for band in stored])
        means = sums / np.maximum(weight, 1e-6)
        return means.astype(np.float32, copy=False), weight >= 0.5


@contextmanager
def open_quicklook(
    name: SceneName | Source,
    *,
    size: int = 2048,
    bands: Sequence[int | str] | None = None,
    known: Mapping[str, int] | None = None,
    trust_vrt: bool = False,
    skip: bool = False,
) -> Iterator[Quicklook]:
    """Open a scene for RGB images, and read its overview. Overviews of the file are used if it has them.

    Args:
        name: A scene, as for `open_scene`, or the source of an open scene.
        size: Longest side of the overview in pixels.
        bands: Three bands to show in red, green and blue, or one to show in grey, by number (from 1) or name; None:
            true colours by band names, else false colours, else the usual order for the number of bands.
        known: Band numbers by common name, which override the band names of the file. If `name` is a source, only
            these bands are shown.
        trust_vrt: Open a VRT whatever files it refers to.
        skip: Show parts of the file that cannot be read as parts without data.

    Yields:
        The open scene.

    Raises:
        SceneError: The scene cannot be opened safely, or cannot be read.
    """
    known = known or {}
    if isinstance(name, Source):
        source, only, opened = name, set(known.values()), open_dataset(name)
    else:
        scene, only = SceneFile(name, trust_vrt=trust_vrt), None
        source, opened = scene.take(lambda described: _display_bands(described, bands, known)[0])
    with gdal_env(source), opened as dataset:
        described = [band for band in describe_bands(dataset) if only is None or band.index in only]
        indexes, band_names = _display_bands(described, bands, known)
        yield Quicklook(dataset, source, indexes, band_names, size, skip=skip)


def _display_bands(
    described: Sequence[BandDescription], bands: Sequence[int | str] | None, known: Mapping[str, int]
) -> tuple[tuple[int, ...], str]:
    """Numbers of the three bands to show, or of one, and their names as text."""
    if bands is not None:
        if len(bands) not in (1, 3):
            raise SceneError(f"--bands: expected three bands, or one for grey, got {len(bands)}; write e.g. 3,2,1")
        chosen = choose_bands(COMPOSITES[0][: len(bands)], described, bands).indexes
        return chosen, f"bands {', '.join(map(str, chosen))}"
    opaque = [band for band in described if not band.is_alpha] or list(described)
    named = {name: index for index, name in reversed(common_names(opaque).items()) if name} | dict(known)
    for names in COMPOSITES:
        if set(names) <= named.keys():
            return tuple(named[name] for name in names), ", ".join(names)
    colours = {band.color: band.index for band in opaque if band.has_color}
    if len(colours) == 3:
        return tuple(colours[name] for name in COMPOSITES[0]), ", ".join(COMPOSITES[0])
    order = {3: (0, 1, 2)}.get(len(opaque), (2, 1, 0) if len(opaque) > 3 and not named else (0,))
    chosen = tuple(opaque[position].index for position in order)
    return chosen, f"band{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"


def _overview_shape(georeference: Georeference, size: int) -> tuple[tuple[int, int], float | None]:
    """(rows, columns) of an overview, and its pixel size in metres.

    Pixels are square, and no finer than the finer side of the scene's pixels. The pixel size is None if unknown.
    """
    known = georeference.pixel_size()
    across, down = known or (1.0, 1.0)
    width, height = georeference.width * across, georeference.height * down
    metres = max(max(width, height) / size, min(across, down))
    return (max(1, round(height / metres)), max(1, round(width / metres))), metres if known else None


def _edges(length: int, block: int, chunk: int, image_length: int) -> list[tuple[int, int]]:
    """Edges of chunks of whole blocks, up to `chunk` pixels long, as (scene pixel, image pixel).

    >>> _edges(5000, 512, 2048, 500)
    [(0, 0), (2048, 205), (4096, 410), (5000, 500)]
    """
    chunk = block * max(1, chunk // block) if block < length else max(1, chunk)
    edges = [(edge, round(edge * image_length / length)) for edge in range(0, length, chunk)]
    distinct = [edge for index, edge in enumerate(edges) if not index or edge[1] > edges[index - 1][1]]
    if len(distinct) > 1 and distinct[-1][1] == image_length:
        distinct.pop()
    return [*distinct, (length, image_length)]


def _resized(band: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Area averages, resampled to (rows, columns) of `shape`."""
    return np.asarray(cv2.resize(band, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
