"""A small picture of a scene of any size, and cuts of it at its own pixel size, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import Source, gdal_env, open_dataset
from geoships.scene.reader import Validity
from geoships.scene.tiling.windows import Window

Picture = NDArray[np.uint8]  # (rows, columns, 3): red, green, blue
Bytes = NDArray[np.uint8]

CHUNK = 2048  # squared: scene pixels that are read at once, where blocks are not larger
PERCENTILES = (1.0, 99.5)  # of the valid values of a band: drawn black and white
SHOWN = (  # as red, green and blue, the first that a scene has
    ("red", "green", "blue"),
    ("nir", "red", "green"),
    ("nir08", "red", "green"),
    ("swir16", "nir", "red"),
)


@dataclass(frozen=True)
class Stretch:
    """How the stored numbers of a band become bytes: the square root of their place between `low` and `high`."""

    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Stretch:
        """The stretch that suits finite values of any shape; any one where there are none.

        >>> Stretch.of(np.arange(201, dtype="float32"))
        Stretch(low=2.0, high=199.0)
        """
        if not values.size:
            return cls(0.0, 1.0)
        low, high = (float(value) for value in np.percentile(values, PERCENTILES))
        if low == high:  # nearly all alike: what differs decides
            low, high = float(values.min()), float(values.max())
        return cls(low, high)

    def apply(self, values: NDArray[np.float32]) -> Bytes:
        """Bytes of the same shape, for finite values; 0 where all are alike."""
        if self.high <= self.low:
            return np.zeros(values.shape, np.uint8)
        shown = (values - np.float32(self.low)) / np.float32(self.high - self.low)
        np.sqrt(shown.clip(0, 1, out=shown), out=shown)
        shown *= 255
        return np.asarray(shown.round(out=shown), np.uint8)


@dataclass(frozen=True)
class Overview:
    """A whole scene as a small picture, with square pixels where the scene's size on Earth is known.

    picture: (rows, columns, 3). valid: (rows, columns), whether there is data.
    scale: picture pixels per scene pixel, (across, down).
    pixel_metres: side of a picture's pixel at the scene's centre, on the ellipsoid; None where it is not known.
    """

    picture: Picture
    valid: NDArray[np.bool_]
    scale: tuple[float, float]
    pixel_metres: float | None


class Quicklook:
    """A scene opened for looking at; see `open_quicklook`. how: the bands shown, for people."""

    def __init__(self, dataset: DatasetReader, source: Source, indexes: Sequence[int], how: str, size: int) -> None:
        self._dataset, self._source, self._indexes, self.how = dataset, source, tuple(indexes), how
        self.georeference: Georeference = georeference_of(dataset)
        self._validity = Validity.of(dataset, indexes)
        self._overviews: list[int] = dataset.overviews(indexes[0])
        self._block: tuple[int, int] = dataset.block_shapes[indexes[0] - 1]
        self.overview = self._overview(size)

    @property
    def title(self) -> str:
        """Name of the file, without folders, and without the query of an address."""
        return self._source.name.partition("?")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]

    @property
    def window(self) -> Window:
        """The whole scene."""
        return Window(0, 0, self.georeference.height, self.georeference.width)

    def cut(self, window: Window, size: int) -> Picture:
        """The part of a window that lies in the scene, in the overview's colours; black where there is no data.

        (rows, columns, 3) of scene pixels; fewer where a side is longer than `size`. Raises SceneError.
        """
        inside = window.intersection(self.window)
        step = max(1.0, max(inside.shape) / size)
        shape = (max(1, round(inside.height / step)), max(1, round(inside.width / step)))
        if inside.empty:
            return np.zeros((*shape, 3), np.uint8)
        values, valid = self._read(inside, shape)
        return self._picture(list(values), valid)

    def _overview(self, size: int) -> Overview:
        shape, metres = _overview_shape(self.georeference, size)
        scale = (shape[1] / self.georeference.width, shape[0] / self.georeference.height)
        values, valid = np.zeros((len(self._indexes), *shape), np.float32), np.zeros(shape, np.bool_)
        for window, place in self._chunks(shape):
            part = (place.height, place.width)
            where = place.within(Window(0, 0, *shape))
            values[:, *where], valid[where] = self._read(window, part)
        self._stretches = [Stretch.of(band[valid]) for band in values]
        return Overview(self._picture(list(values), valid), valid, scale, metres)

    def _chunks(self, shape: tuple[int, int]) -> Iterator[tuple[Window, Window]]:
        """Windows of whole blocks that cover the scene, each with its place in a picture of `shape`.

        So each block is decoded once, and a place is right to half a pixel of the picture.
        """
        (high, wide), (rows, columns) = self._block, shape
        across = _edges(self.georeference.width, wide, CHUNK, columns)
        longest = max(right[0] - left[0] for left, right in pairwise(across))
        down = _edges(self.georeference.height, high, CHUNK * CHUNK // longest, rows)
        for (top, to_top), (bottom, to_bottom) in pairwise(down):
            for (left, to_left), (right, to_right) in pairwise(across):
                yield (
                    Window(top, left, bottom - top, right - left),
                    Window(to_top, to_left, to_bottom - to_top, to_right - to_left),
                )

    def _picture(self, values: Sequence[NDArray[np.float32]], valid: NDArray[np.bool_]) -> Picture:
        """Stretched bands as red, green and blue; a lone one in grey."""
        bands = [stretch.apply(band) * valid for band, stretch in zip(values, self._stretches, strict=True)]
        return np.stack(bands if len(bands) == 3 else bands * 3, axis=2)

    def _read(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Mean values (bands, *shape) of the valid pixels in a window, and whether half of them are valid."""
        step = min(window.height / shape[0], window.width / shape[1])
        fewer = max([1, *(factor for factor in self._overviews if factor <= step)])
        area = RasterioWindow(window.column, window.row, window.width, window.height)
        read_shape = (len(self._indexes), -(-window.height // fewer), -(-window.width // fewer))
        with self._reading():
            stored = self._dataset.read(self._indexes, window=area, out_shape=read_shape)
            valid = self._validity.mask(self._dataset, stored, area)
        weight = _resized(valid.astype(np.float32), shape)
        if valid.all():
            return np.stack([_resized(band.astype(np.float32), shape) for band in stored]), weight > 0
        sums = np.stack([_resized(np.where(valid, band, 0).astype(np.float32), shape) for band in stored])
        means = sums / np.maximum(weight, 1e-6)
        return means.astype(np.float32, copy=False), weight >= 0.5

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with gdal_env(self._source):
                yield
        except RasterioError as error:
            raise SceneError(
                f"cannot read {self.title}: {error.__cause__ or error}; the file is damaged or unreachable"
            ) from error


@contextmanager
def open_quicklook(
    name: SceneName | Source,
    *,
    size: int = 2048,
    bands: Sequence[int | str] | None = None,
    known: Mapping[str, int] | None = None,
    trust_vrt: bool = False,
) -> Iterator[Quicklook]:
    """Open a scene to look at: its overview is read at once, with overviews of the file where it has any.

    name: as for `open_scene`, or the source of an open scene. size: longest side of the overview in pixels.
    bands: three to show as red, green and blue, or one to show in grey, by number (from 1) or name; None: true
    colours by the bands' names, else false colours, else the order that is usual for their number.
    known: numbers of bands by common name, where they are known better than the file tells; of a source, no others
    are shown.

    Raises SceneError when the scene cannot be opened safely or read.
    """
    known = known or {}
    if isinstance(name, Source):
        source, only, opened = name, set(known.values()), open_dataset(name)
    else:
        scene, only = SceneFile(name, trust_vrt=trust_vrt), None
        source, opened = scene.take(lambda described: _shown_bands(described, bands, known)[0])
    with gdal_env(source), opened as dataset:
        described = [band for band in describe_bands(dataset) if only is None or band.index in only]
        indexes, how = _shown_bands(described, bands, known)
        yield Quicklook(dataset, source, indexes, how, size)


def _shown_bands(
    described: Sequence[BandDescription], bands: Sequence[int | str] | None, known: Mapping[str, int]
) -> tuple[tuple[int, ...], str]:
    """Numbers of three bands, or of one, and what they are."""
    if bands is not None:
        if len(bands) not in (1, 3):
            raise SceneError(f"a picture shows three bands, or one in grey, not {len(bands)}; give --bands 3,2,1, say")
        chosen = choose_bands(SHOWN[0][: len(bands)], described, bands).indexes
        return chosen, f"bands {', '.join(map(str, chosen))}"
    solid = [band for band in described if band.color != "alpha"] or list(described)
    named = {name: index for index, name in reversed(common_names(solid).items()) if name} | dict(known)
    for names in SHOWN:
        if set(names) <= named.keys():
            return tuple(named[name] for name in names), ", ".join(names)
    colours = {band.color: band.index for band in solid if band.has_color}
    if len(colours) == 3:
        return tuple(colours[name] for name in SHOWN[0]), ", ".join(SHOWN[0])
    order = {3: (0, 1, 2)}.get(len(solid), (2, 1, 0) if len(solid) > 3 and not named else (0,))
    chosen = tuple(solid[place].index for place in order)
    return chosen, f"band{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"


def _overview_shape(georeference: Georeference, size: int) -> tuple[tuple[int, int], float | None]:
    """Rows and columns of an overview, and metres of its pixels: square, and no finer than the scene's finer side."""
    known = georeference.pixel_size()
    across, down = known or (1.0, 1.0)
    wide, high = georeference.width * across, georeference.height * down
    metres = max(max(wide, high) / size, min(across, down))
    return (max(1, round(high / metres)), max(1, round(wide / metres))), metres if known else None


def _edges(length: int, block: int, chunk: int, picture: int) -> list[tuple[int, int]]:
    """Edges of chunks of whole blocks, up to `chunk` pixels long: in the scene, and in a picture of so many pixels.

    >>> _edges(5000, 512, 2048, 500)
    [(0, 0), (2048, 205), (4096, 410), (5000, 500)]
    """
    chunk = block * max(1, chunk // block) if block < length else max(1, chunk)
    edges = [(edge, round(edge * picture / length)) for edge in range(0, length, chunk)]
    apart = [edge for index, edge in enumerate(edges) if not index or edge[1] > edges[index - 1][1]]
    if len(apart) > 1 and apart[-1][1] == picture:
        apart.pop()
    return [*apart, (length, picture)]


def _resized(band: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Means over the pixels' areas, (rows, columns) of `shape`."""
    return np.asarray(cv2.resize(band, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
