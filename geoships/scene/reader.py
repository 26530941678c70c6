"""A scene: one raster, opened for reading."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition, acquisition
from geoships.scene.bands import BandChoice, choose_bands, describe_bands
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import SceneFile, scene_file
from geoships.scene.opening.raster import Source, gdal_env, open_dataset
from geoships.scene.radiometry import FILE_TAGS, Radiometry, choose_radiometry
from geoships.scene.tiling.blocks import BlockCache, BlockGrid, Pixels, block_grid
from geoships.scene.tiling.windows import Window

# These decode from the top or hold one lock for all handles: more threads would repeat or wait.
ONE_THREAD_DRIVERS = {"PNG", "JPEG", "GIF", "WEBP", "BMP", "netCDF", "HDF5", "HDF5Image"}


@dataclass(frozen=True)
class Reading:
    """How a scene is to be read where the file does not say it, or says it wrongly.

    bands: band numbers (from 1) or descriptions, in the order that the model wants; None: by description.
    scale, offset: reflectance = stored value * scale + offset; None: from the file.
    sensor: name of a preset, e.g. ``sentinel-2-l2a``; None: from the file.
    trust_vrt: open a VRT whatever it refers to.
    """

    bands: Sequence[int | str] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    trust_vrt: bool = False


class Scene:
    """One raster with its chosen bands, radiometry, validity and place on Earth.

    Open it with `open_scene` and close it, or use it in a `with` block. It may be read from several
    threads, and pickled to worker processes.
    """

    def __init__(
        self, file: SceneFile, wanted: Sequence[str], reading: Reading, optional: Collection[str] = ()
    ) -> None:
        self.name, self.title = file.name, file.title
        self.reading = reading
        self._prepare()
        self._source, dataset = file.take(lambda bands: choose_bands(wanted, bands, reading.bands, optional).indexes)
        self._keep(dataset)
        self.origins = file.origins if file.files else (self._source.public_name,)
        self._listed_warnings = file.files.warnings if file.files else ()
        self.driver: str = dataset.driver
        self.georeference: Georeference = georeference_of(dataset)
        self.dtypes: tuple[str, ...] = dataset.dtypes
        self.bands: BandChoice = choose_bands(wanted, describe_bands(dataset), reading.bands, optional)
        self.wanted = self.bands.names
        tags = {**dataset.tags(), **dataset.tags(ns="IMAGERY")}
        self.acquired: Acquisition | None = file.acquired or acquisition(tags, self.title)
        picked = [index - 1 for index in self.bands.indexes]
        self.dtype = np.result_type(*(np.dtype(dataset.dtypes[index]) for index in picked))
        self._validity = Validity.of(dataset, self.bands.indexes)
        self.grid: BlockGrid = block_grid(dataset.height, dataset.width, dataset.block_shapes[picked[0]])
        self.radiometry: Radiometry = choose_radiometry(
            self.dtype,
            [dataset.scales[index] for index in picked],
            [dataset.offsets[index] for index in picked],
            dataset.tags(),
            scale=reading.scale,
            offset=reading.offset,
            sensor=reading.sensor,
            sample=self._sample,
            stated=file.files.rule if file.files else FILE_TAGS,
        )

    def _prepare(self) -> None:
        self._local = threading.local()
        self._handles: list[rasterio.DatasetReader] = []
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_local", "_handles", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all file handles; a later read opens new ones."""
        with self._lock:
            handles, self._handles = self._handles, []
            self._local = threading.local()
        for handle in handles:
            handle.close()

    @property
    def source(self) -> Source:
        """The raster that is read."""
        return self._source

    @property
    def datetime(self) -> str | None:
        """When the scene was taken, as ISO 8601 text; None where nothing tells it."""
        return self.acquired.text if self.acquired else None

    @property
    def window(self) -> Window:
        """The whole scene."""
        return Window(0, 0, self.georeference.height, self.georeference.width)

    @property
    def threads(self) -> int:
        """Threads that decode this file faster than one would."""
        return 1 if self.driver in ONE_THREAD_DRIVERS else 2

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about assumptions made on opening."""
        place = None
        if not self.georeference.placed:
            place = "the scene has no place on Earth (no CRS or no geotransform): coordinates are pixels (column, row)"
        stated = (self.bands.warning, self.radiometry.warning, place, *self._listed_warnings)
        return tuple(text for text in stated if text)

    def decode(self, window: Window) -> Pixels:
        """Read the stored values and validity of the chosen bands; the window lies inside the scene.

        Raises SceneError when the file is damaged or unreachable.
        """
        area = RasterioWindow(window.column, window.row, window.width, window.height)
        try:
            with gdal_env(self._source):
                dataset = self._dataset()
                values = dataset.read(self.bands.indexes, window=area)
                valid = self._validity.mask(dataset, values, area)
        except RasterioError as error:
            raise SceneError(
                f"cannot read rows {window.row} to {window.row_end}, columns {window.column} to {window.column_end} "
                f"of {self.name}: {error.__cause__ or error}; the file is damaged or unreachable"
            ) from error
        return Pixels(values, valid)

    def cache(self, windows: Sequence[Window]) -> BlockCache:
        """A cache that serves these windows, in their order, decoding each block of the file once."""
        size = self.dtype.itemsize * len(self.bands.indexes) + 1
        return BlockCache(self.decode, self.grid, windows, threads=self.threads, bytes_per_pixel=size)

    def _dataset(self) -> rasterio.DatasetReader:
        """This thread's own handle."""
        dataset: rasterio.DatasetReader | None = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = open_dataset(self._source)
            self._keep(dataset)
        return dataset

    def _keep(self, dataset: rasterio.DatasetReader) -> None:
        """Take over an open handle for this thread."""
        self._local.dataset = dataset
        with self._lock:
            self._handles.append(dataset)

    def _sample(self) -> NDArray[np.generic]:
        """Valid values of up to 49 windows spread evenly over the scene, shape (bands, n)."""
        rows, columns = self.window.shape
        found = []
        for row in np.unique(np.linspace(0, max(0, rows - 96), 7).astype(int)):
            for column in np.unique(np.linspace(0, max(0, columns - 96), 7).astype(int)):
                pixels = self.decode(Window(int(row), int(column), 96, 96).intersection(self.window))
                found.append(pixels.values[:, pixels.valid])
        return np.concatenate(found, axis=1)


def open_scene(
    name: SceneName | SceneFile, wanted: Sequence[str], reading: Reading | None = None, optional: Collection[str] = ()
) -> Scene:
    """Open a raster and find the wanted bands (STAC common names) in it.

    Args:
        name: a path, a subdataset, ``http(s)://`` or ``s3://`` address of a raster or a STAC Item, files band by band,
            or a scene that was resolved before (`SceneFile`), whose open file is taken over.
        wanted: STAC common names of the bands that a model takes, in its order.
        reading: how to read the file where it does not say it, or says it wrongly.
        optional: bands that the scene may lack.

    Raises:
        SceneError: it cannot be opened safely, has no real values, or lacks bands that are not optional.

    """
    reading = reading or Reading()
    with scene_file(name, trust_vrt=reading.trust_vrt) as file:
        return Scene(file, wanted, reading, optional)


@dataclass(frozen=True)
class Validity:
    """How a file tells pixels with data from those without.

    masked: the file has an alpha band or an internal or side mask. nodata: value per chosen band.
    """

    masked: bool
    nodata: tuple[float | None, ...]

    @classmethod
    def of(cls, dataset: rasterio.DatasetReader, indexes: Sequence[int]) -> Validity:
        """How an open file tells it, for some of its bands (numbers from 1)."""
        flags = [dataset.mask_flag_enums[index - 1] for index in indexes]
        masked = any(MaskFlags.per_dataset in flag or MaskFlags.alpha in flag for flag in flags)
        return cls(
            masked or ColorInterp.alpha in dataset.colorinterp, tuple(dataset.nodatavals[i - 1] for i in indexes)
        )

    def mask(self, dataset: rasterio.DatasetReader, values: NDArray[Any], area: RasterioWindow) -> NDArray[np.bool_]:
        """(rows, columns): False where the mask says so, any band is not finite, or all bands are nodata.

        values: (bands, rows, columns), those of `area`, which may hold more pixels than that.
        """
        valid: NDArray[np.bool_] = np.ones(values.shape[1:], np.bool_)
        if self.masked:
            valid &= dataset.dataset_mask(window=area, out_shape=values.shape[1:]) > 0
        if values.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        if all(nodata is not None for nodata in self.nodata):
            valid &= ~np.logical_and.reduce([band == nodata for band, nodata in zip(values, self.nodata, strict=True)])
        return valid
