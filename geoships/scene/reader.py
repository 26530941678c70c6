"""An open scene: a raster with the selected bands, their radiometry and validity."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Compression, Interleaving
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window as RasterioWindow

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition, acquisition
from geoships.scene.bands import BandChoice, choose_bands, describe_bands
from geoships.scene.georeference import Georeference, georeference_of, unused_placement
from geoships.scene.opening.again import asked_again
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.names import without_secrets
from geoships.scene.opening.open import SceneFile, scene_file
from geoships.scene.opening.product_radiometry import product_scale
from geoships.scene.opening.raster import Source, gdal_env, open_dataset, public_name
from geoships.scene.plausible import implausible_reflectance
from geoships.scene.radiometry import FILE_TAGS, Radiometry, choose_radiometry
from geoships.scene.stored import read_stored
from geoships.scene.tiling.blocks import BlockCache, BlockGrid, Pixels, block_grid
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import Validity
from geoships.scene.written import WrittenBlocks, written_blocks
from geoships.support.sizes import size_text

# These drivers decode from the first row, or have one lock for all handles: more threads would decode twice, or wait.
ONE_THREAD_DRIVERS = {"PNG", "JPEG", "GIF", "WEBP", "BMP", "netCDF", "HDF5", "HDF5Image"}

REMOTE_THREADS = 16  # requests in flight to one server; benchmarks/remote_cog.py
REMOTE_BYTES = 128 << 20  # decoded ahead of their use

WARNED_BLOCK_BYTES = 512 << 20
HUGE_BLOCK_BYTES = 64 << 20  # decoded; blocks of images that are read well take a megabyte


@dataclass(frozen=True)
class Reading:
    """Options for reading a scene whose file lacks metadata, or has wrong ones.

    Attributes:
        bands: Band numbers (from 1) or names, in the order of the requested bands; None: by the band names of the file.
        scale: Scale to reflectance = stored value * scale + offset; None: from the file.
        offset: Offset to reflectance; needs `scale`. None: from the file.
        sensor: Name of a radiometry preset, e.g. ``sentinel-2-l2a``; None: from the file.
        trust_vrt: Open a VRT whatever files it refers to.
        on_error: What to do about a part of the file that cannot be read: ``fail``, or ``skip`` it as pixels without
            data, see `Scene.unread`.
        max_memory: Bytes that decoding one block of the file may take; None: any number.
    """

    bands: Sequence[int | str] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    trust_vrt: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    max_memory: int | None = None


class Scene:
    """An open scene: a raster with its selected bands, radiometry, validity and georeference.

    Open it with `open_scene`, and close it or use it in a ``with`` block. It can be read from several threads, and
    pickled to other processes.

    Attributes:
        name: Path or URL of the scene, as given.
        title: File name without folders, and without the query of a URL.
        origins: Paths and URLs that the scene is read from, without secrets.
        driver: Name of the GDAL driver.
        georeference: Grid and georeference.
        bands: The selected bands.
        wanted: Common names of the selected bands.
        dtypes: Data type of each band of the file.
        dtype: Common data type of the selected bands.
        radiometry: Scale and offset to reflectance.
        acquired: Acquisition time; None if it is unknown.
        grid: Blocks in which the file is decoded.
        written: Blocks of a sparse file that hold pixels; None where all may.
    """

    def __init__(
        self, file: SceneFile, wanted: Sequence[str], reading: Reading, optional: Collection[str] = ()
    ) -> None:
        self.name, self.title = file.name, file.title
        self.reading = reading
        self._prepare()
        self._source, dataset = file.take(lambda bands: choose_bands(wanted, bands, reading.bands, optional).indexes)
        self._keep(dataset)
        self.origins = file.origins if file.files or file.memory else (self._source.public_name,)
        listed = file.files.warnings if file.files else ()
        self._listed_warnings = (*listed, *filter(None, [unused_placement(dataset), _lossy(dataset)]))
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
        block = dataset.block_shapes[picked[0]]
        self.grid: BlockGrid = block_grid(dataset.height, dataset.width, block)
        self._file_blocks = BlockGrid(dataset.height, dataset.width, *block)
        self.written: WrittenBlocks | None = written_blocks(dataset, self.bands.indexes, self._validity)
        self.strip_bytes = _strip_bytes(dataset, picked[0] + 1)
        self._check_strip(reading.max_memory)
        self.radiometry: Radiometry = choose_radiometry(
            [dataset.dtypes[index] for index in picked],
            [dataset.scales[index] for index in picked],
            [dataset.offsets[index] for index in picked],
            dataset.tags(),
            scale=reading.scale,
            offset=reading.offset,
            sensor=reading.sensor,
            sample=self._sample,
            stated=file.files.rule if file.files else FILE_TAGS,
            product=product_scale(file.inputs),
        )
        option = "--sensor" if reading.sensor is not None else "--scale"
        if reading.sensor is not None or reading.scale is not None:
            doubt = implausible_reflectance(self.radiometry, self._sample(), option)
            self._listed_warnings += (doubt,) if doubt else ()

    def _check_strip(self, max_memory: int | None) -> None:
        """Raise SceneError where one block of the file needs more memory, in bytes, than a run may take."""
        if max_memory is None or self.strip_bytes <= max_memory:
            return
        self.close()
        raise SceneError(
            f"{public_name(self.name)}: --max-memory is {size_text(max_memory)}, "
            f"but {huge_block_text(self.strip_bytes)}"
        )

    def _prepare(self) -> None:
        self._local = threading.local()
        self._handles: list[rasterio.DatasetReader] = []
        self._lock = threading.Lock()
        self._unread: dict[Window, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {
            key: value for key, value in self.__dict__.items() if key not in ("_local", "_handles", "_lock", "_unread")
        }

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
        """Close all file handles. A later read opens new ones."""
        with self._lock:
            handles, self._handles = self._handles, []
            self._local = threading.local()
        for handle in handles:
            handle.close()

    @property
    def source(self) -> Source:
        """The raster that the scene is read from."""
        return self._source

    @property
    def datetime(self) -> str | None:
        """Acquisition time as ISO 8601 text; None if it is unknown."""
        return self.acquired.text if self.acquired else None

    @property
    def window(self) -> Window:
        """Window of the whole scene."""
        return Window(0, 0, self.georeference.height, self.georeference.width)

    @property
    def threads(self) -> int:
        """Number of threads with which this file is decoded fastest.

        Of a file on a server many blocks are asked for at a time, since each waits for an answer before it is read.
        """
        # each thread has a file handle, which would decode a huge strip for itself
        if self.driver in ONE_THREAD_DRIVERS or self.strip_bytes:
            return 1
        if not self._source.is_remote:
            return 2
        block = self.grid.block_height * self.grid.block_width * (self.dtype.itemsize * len(self.bands.indexes) + 1)
        return max(2, min(REMOTE_THREADS, REMOTE_BYTES // (2 * block)))  # twice as many are decoded ahead

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the user about assumptions made when the scene was opened."""
        place = None
        if not self.georeference.placed:
            place = "the scene is not georeferenced (no CRS or no geotransform): coordinates are pixels (column, row)"
        huge = huge_block_text(self.strip_bytes) if self.strip_bytes > WARNED_BLOCK_BYTES else None
        stated = (
            huge,
            self.bands.warning,
            self.radiometry.warning,
            place,
            self.georeference.warning,
            *self._listed_warnings,
        )
        return tuple(text for text in stated if text)

    @property
    def unread(self) -> dict[Window, str]:
        """Windows that could not be read so far, with the reason, from top to bottom; see `Reading.on_error`."""
        with self._lock:
            return dict(sorted(self._unread.items()))

    def add_unread(self, windows: Mapping[Window, str]) -> None:
        """Count windows that another process could not read among those of `unread`."""
        with self._lock:
            self._unread.update(windows)

    def decode(self, window: Window) -> Pixels:
        """Read the stored values and the validity of the selected bands.

        Args:
            window: Window inside the scene.

        Returns:
            Stored values, shape (bands, rows, columns), and validity, shape (rows, columns). Reflectance is
            ``scene.radiometry.apply(pixels.values)``.

        Raises:
            SceneError: The file is damaged or unreachable, and such parts are not skipped.
        """
        try:
            return self._decode(window)
        except RasterioError as error:
            if self.reading.on_error == "skip":
                return self._readable(window)
            raise SceneError(
                f"cannot read the window at row {window.row}, column {window.column} ({window.height} x "
                f"{window.width} pixels) of {public_name(self.name)}: {_reason(error)}; the file is damaged or "
                "unreachable; --on-error skip goes on without it"
            ) from error

    def _decode(self, window: Window) -> Pixels:
        return asked_again(self._source, lambda: self._decode_once(window), self._close_own)

    def _close_own(self) -> None:
        """Close the file handle of this thread, which keeps what it has read; the next read opens another."""
        dataset = getattr(self._local, "dataset", None)
        if dataset is not None:
            self._local.dataset = None
            with self._lock:
                self._handles.remove(dataset)
            dataset.close()

    def _decode_once(self, window: Window) -> Pixels:
        area = RasterioWindow(window.column, window.row, window.width, window.height)
        with gdal_env(self._source):
            try:
                dataset = self._dataset()
            except SceneError as error:  # a file that could be opened before: as a read that fails
                raise RasterioIOError(str(error)) from error
            values = read_stored(dataset, self.bands.indexes, window=area)
            return Pixels(values, self._validity.mask(dataset, values, area))

    def _readable(self, window: Window) -> Pixels:
        """What can be read of a window, block by block of the file; the other blocks have no data."""
        pixels = Pixels(
            np.zeros((len(self.bands.indexes), *window.shape), self.dtype), np.zeros(window.shape, np.bool_)
        )
        for block in self._file_blocks.blocks_of(window):
            whole = self._file_blocks.window(block)
            part = whole.intersection(window)
            try:
                read = self._decode(part)
            except RasterioError as error:
                with self._lock:
                    # a block of thousands of rows is read in slices, of which others may be whole
                    self._unread[whole if whole.height <= self.grid.block_height else part] = _reason(error)
                continue
            rows, columns = part.within(window)
            pixels.values[:, rows, columns], pixels.valid[rows, columns] = read.values, read.valid
        return pixels

    def cache(self, windows: Sequence[Window]) -> BlockCache:
        """Create a cache that decodes each block of the file once.

        Args:
            windows: All windows that will be fetched, inside the scene, in the order of their use.

        Returns:
            The cache, to be used in a ``with`` block.
        """
        size = self.dtype.itemsize * len(self.bands.indexes) + 1
        return BlockCache(self.decode, self.grid, windows, threads=self.threads, bytes_per_pixel=size)

    def _dataset(self) -> rasterio.DatasetReader:
        """File handle of this thread."""
        dataset: rasterio.DatasetReader | None = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = open_dataset(self._source)
            self._keep(dataset)
        return dataset

    def _keep(self, dataset: rasterio.DatasetReader) -> None:
        """Register an open handle as that of this thread."""
        self._local.dataset = dataset
        with self._lock:
            self._handles.append(dataset)

    def _sample(self) -> NDArray[np.generic]:
        """Valid stored values of up to 49 windows at regular distances, shape (bands, n)."""
        rows, columns = self.window.shape
        found = []
        for row in np.unique(np.linspace(0, max(0, rows - 96), 7).astype(int)):
            for column in np.unique(np.linspace(0, max(0, columns - 96), 7).astype(int)):
                pixels = self.decode(Window(int(row), int(column), 96, 96).intersection(self.window))
                found.append(pixels.values[:, pixels.valid])
        return np.concatenate(found, axis=1)


def _reason(error: RasterioError) -> str:
    """Why pixels cannot be read, on one line."""
    return without_secrets(" ".join(str(error.__cause__ or error).split()).rstrip("."))


def huge_block_text(size: int) -> str:
    """What a file with huge blocks costs, and what to do."""
    return (
        f"the file is compressed in blocks that take {size_text(size)} of memory to decode; gdal_translate "
        "-co TILED=YES -co COMPRESS=DEFLATE writes it in tiles"
    )


def _strip_bytes(dataset: rasterio.DatasetReader, band: int) -> int:
    """Memory that GDAL takes to decode a block of HUGE_BLOCK_BYTES and more; 0 for smaller ones.

    It is the compressed block, the decoded one with all bands that are stored together, and a band in GDAL's cache;
    half a band more was measured.
    """
    rows, columns = dataset.block_shapes[band - 1]
    one: int = rows * columns * np.dtype(dataset.dtypes[band - 1]).itemsize
    together: int = dataset.count if dataset.count > 1 and dataset.interleaving == Interleaving.pixel else 1
    if one * together < HUGE_BLOCK_BYTES:
        return 0
    stored = dataset.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=band) if dataset.driver == "GTiff" else None
    compressed = int(stored) if stored else one * together
    return one * together + compressed + one + one // 2


def _lossy(dataset: rasterio.DatasetReader) -> str | None:
    """Warning about JPEG compression, whatever the name of the file."""
    if dataset.driver != "JPEG" and dataset.compression != Compression.jpeg:
        return None
    return "the scene is compressed as JPEG, which hides small ships; use the original if there is one"


def open_scene(
    name: SceneName | SceneFile, wanted: Sequence[str], reading: Reading | None = None, optional: Collection[str] = ()
) -> Scene:
    """Open a scene and find the requested bands in it.

    Bands are found by name, then by colour interpretation, then by their order (with a warning, see `Scene.warnings`).
    Pixels are read only if the scale to reflectance cannot be determined from the metadata.

    Args:
        name: Path of a raster, a Sentinel-2 product or a STAC Item; an ``http(s)://`` or ``s3://`` URL of a raster or
            a STAC Item; a member of an archive (``zip://archive.zip!scene.tif``); a subdataset of NetCDF or HDF5
            (``NETCDF:"file.nc":variable``); separate files for each band (see `geoships.band_files`); or a `SceneFile`,
            whose open file handle is then used.
        wanted: Requested bands, as common names of the STAC electro-optical extension, e.g. ``["red", "nir"]``. They
            are read in this order.
        reading: Options for files that lack metadata, or have wrong ones: bands, scale, offset, sensor, trust_vrt,
            on_error.
        optional: Requested bands that the scene may lack.

    Returns:
        The open scene. Close it, or use it in a ``with`` block.

    Raises:
        SceneError: The scene does not exist, cannot be opened safely, has complex values, or lacks a requested band
            that is not optional.

    >>> from geoships import open_scene
    >>> with open_scene("scene.tif", ["blue", "green", "red", "nir"]) as scene:  # doctest: +SKIP
    ...     pixels = scene.decode(scene.window)
    ...     reflectance = scene.radiometry.apply(pixels.values)
    """
    reading = reading or Reading()
    with scene_file(name, trust_vrt=reading.trust_vrt, incomplete=reading.on_error == "skip") as file:
        return Scene(file, wanted, reading, optional)
