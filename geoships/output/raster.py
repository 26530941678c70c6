"""Masks and scores as Cloud Optimized GeoTIFFs, written band by band of rows."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from geoships.errors import OutputError
from geoships.output.classes import SHIP_COLOUR
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference
from geoships.support.files import discard, output_errors, publish, reserve

NODATA = 255
BLOCK = 512  # rows and columns of a block, the size that COG readers expect
SCORE_STEPS = 254  # scores are stored as whole multiples of 1/254; 255 is nodata

WATER_COLOUR = (11, 31, 58)

_LEVEL = 1  # of DEFLATE: a third of the time of level 6, and scores take a sixth more space
_PLAIN_BYTES = 256 * 2**20  # a temporary file up to this size is not compressed
_PIECE = 64  # rows encoded at a time, which bounds the temporary arrays of wide scenes
_CACHE_BYTES = 32 * 2**20  # GDAL's own default is 5 % of the machine's memory


class RasterSink(ABC):
    """A one-band Byte raster on the grid of its scene, fed from top to bottom.

    Use it as a context manager. Rows wait until they fill a row of blocks, go to a temporary GeoTIFF
    beside `path`, and become a Cloud Optimized GeoTIFF when the block ends. It appears whole:
    nothing is left after an error. Memory does not grow with the scene's height.

    path: of the GeoTIFF. An older file is replaced at the end.
    georeference: of the scene. Transform, CRS and ground control points are kept as they are.
    metadata: tags to put into the file, such as the model's name.
    """

    description: str
    overview_resampling: ClassVar[str]

    def __init__(self, path: Path, georeference: Georeference, metadata: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._georeference = georeference
        self._metadata = dict(metadata or {})
        self._row = 0  # first row of the scene that has not come yet
        self._block_row = np.empty((BLOCK, georeference.width), np.uint8)
        self._compressed = False

    def __enter__(self) -> Self:
        """Start the file. Raises OutputError where it cannot be written."""
        self._temporary = reserve(self.path)
        self._rows = self._temporary.with_name(f"{self._temporary.stem}-rows.tif")
        try:
            with output_errors(self.path), _maybe_unplaced(), rasterio.open(self._rows, "w", **self._profile()) as rows:
                self._describe(rows)
        except BaseException:
            discard(self._temporary)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Make the file appear, unless there was an error. Raises OutputError where rows are missing."""
        try:
            if kind is None:
                self._finish()
        finally:
            discard(self._temporary)

    def write(self, band: RowBand) -> None:
        """Add rows; each band begins where the last one ended.

        Raises ValueError for a band that does not, or that does not fit the scene, and OutputError
        where the disk refuses.
        """
        height, width = self._georeference.height, self._georeference.width
        if band.row != self._row or band.row_end > height or band.scores.shape[1] != width:
            raise ValueError(
                f"rows {band.row} to {band.row_end} of {band.scores.shape[1]} pixels do not continue "
                f"a scene of {height} x {width} pixels at row {self._row}"
            )
        while self._row < band.row_end:
            filled = self._row % BLOCK
            count = min(band.row_end - self._row, BLOCK - filled, _PIECE)
            piece = slice(self._row - band.row, self._row - band.row + count)
            values = self._encode(band.scores[piece])
            self._block_row[filled : filled + count] = np.where(band.valid[piece], values, NODATA)
            self._row += count
            if self._row % BLOCK == 0 or self._row == height:
                self._write_block_row(filled + count)

    @abstractmethod
    def _encode(self, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Turn the scores of valid pixels into stored values, same shape."""

    def _describe(self, rows: DatasetWriter) -> None:
        rows.set_band_description(1, self.description)
        rows.update_tags(**self._metadata)

    def _profile(self) -> dict[str, Any]:
        """Options of the temporary GeoTIFF. LZW is quick, and needs no level when the file is opened again."""
        pixels = self._georeference.height * self._georeference.width
        return {
            "driver": "GTiff",
            "dtype": "uint8",
            "count": 1,
            "height": self._georeference.height,
            "width": self._georeference.width,
            "nodata": NODATA,
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "compress": "none" if pixels <= _PLAIN_BYTES else "lzw",
            "bigtiff": "if_safer",
            "sparse_ok": True,  # blocks that are never written take no space and read as nodata
            **_placement(self._georeference),
        }

    def _write_block_row(self, count: int) -> None:
        """Write the last `count` rows.

        The file is opened for each row of blocks: a dataset that stays open leaves its blocks in
        GDAL's cache, which belongs to the whole process and may be gigabytes.
        """
        values = self._block_row[:count]
        if (values == NODATA).all():
            return
        window = RasterioWindow(0, self._row - count, self._georeference.width, count)
        with output_errors(self.path), _maybe_unplaced(), rasterio.open(self._rows, "r+") as rows:
            rows.write(values, 1, window=window)

    def compress(self) -> None:
        """Make the Cloud Optimized GeoTIFF of the rows, still under its temporary name.

        The end of the block does so where nobody has done it before. It is read once, as proof that it is whole.
        Raises OutputError where rows are missing, or the disk refuses.
        """
        height = self._georeference.height
        if self._row < height:
            raise OutputError(f"{self.path} is not written: only {self._row} of {height} rows were computed")
        with output_errors(self.path), rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
            rasterio.shutil.copy(
                self._rows,
                self._temporary,
                driver="COG",
                blocksize=BLOCK,
                compress="deflate",
                level=_LEVEL,
                overview_resampling=self.overview_resampling,
                bigtiff="if_safer",
                num_threads="all_cpus",
            )
            _read_back(self._temporary)
        self._compressed = True

    def _finish(self) -> None:
        if not self._compressed:
            self.compress()
        publish(self._temporary, self.path)


@contextmanager
def compressing(sinks: Sequence[RasterSink]) -> Iterator[None]:
    """Compress the rasters of several sinks at the same time, beside the block; they appear when their blocks end.

    Raises OutputError as `RasterSink.compress` does.
    """
    with ThreadPoolExecutor(max(1, len(sinks)), thread_name_prefix="compress") as pool:
        under_way = [pool.submit(sink.compress) for sink in sinks]
        yield
        for each in under_way:
            each.result()


class MaskSink(RasterSink):
    """The mask of ships: 1 where the score is over the threshold, 0 elsewhere, 255 without data.

    threshold: score from which on a pixel belongs to a ship, 0 to 1. name, colour: of the class.
    """

    description = "ship"
    overview_resampling = "nearest"  # averaging would invent classes

    def __init__(
        self,
        path: Path,
        georeference: Georeference,
        threshold: float,
        metadata: Mapping[str, str] | None = None,
        *,
        name: str = "ship",
        colour: tuple[int, int, int] = SHIP_COLOUR,
    ) -> None:
        super().__init__(path, georeference, metadata)
        self._threshold = np.float32(threshold)
        self.description, self._colour = name, colour

    def _encode(self, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
        return (scores >= self._threshold).astype(np.uint8)

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.write_colormap(1, {0: WATER_COLOUR, 1: self._colour})


class ScoreSink(RasterSink):
    """Scores from 0 to 1, stored as Byte 0 to 254 with the scale 1/254; 255 without data.

    The scale is declared in the file, so a GIS shows 0 to 1. Rounding moves a score by 1/508 at
    most. Float32 would take 30 times the space and 5 times the time, most of it for noise over water.

    name: of the class.
    """

    description = "ship score"
    overview_resampling = "average"

    def __init__(
        self, path: Path, georeference: Georeference, metadata: Mapping[str, str] | None = None, *, name: str = "ship"
    ) -> None:
        super().__init__(path, georeference, metadata)
        self.description = f"{name} score"

    def _encode(self, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
        steps: NDArray[np.float32] = np.rint(scores * np.float32(SCORE_STEPS))
        return steps.astype(np.uint8)

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.scales = (1 / SCORE_STEPS,)
        rows.offsets = (0.0,)


class ClassSink(RasterSink):
    """Class numbers 0 to 254, which come as the scores of the row bands; 255 without data."""

    description = "class"
    overview_resampling = "nearest"

    def _encode(self, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
        return scores.astype(np.uint8)


def _placement(georeference: Georeference) -> dict[str, Any]:
    """Place a raster as its scene. A GeoTIFF holds a transform or control points, not both."""
    crs = rasterio.CRS() if georeference.crs is None else rasterio.CRS.from_user_input(georeference.crs)
    if georeference.transform is not None:
        return {"crs": crs, "transform": georeference.transform}
    if georeference.gcps:
        return {"crs": crs, "gcps": list(georeference.gcps)}
    return {"crs": crs}


def _read_back(path: Path) -> None:
    """Decode every block. GDAL does not report a disk that fills up while it closes a file; this does."""
    with _maybe_unplaced(), rasterio.open(path) as dataset:
        overviews = len(dataset.overviews(1))
    for level in [None, *range(overviews)]:
        options = {} if level is None else {"overview_level": level}
        with _maybe_unplaced(), rasterio.open(path, num_threads="all_cpus", **options) as dataset:
            for row in range(0, dataset.height, BLOCK):
                rows = min(BLOCK, dataset.height - row)
                dataset.read(1, window=RasterioWindow(0, row, dataset.width, rows))


@contextmanager
def _maybe_unplaced() -> Iterator[None]:
    """Open rasters without rasterio's warning about a missing transform: such scenes are ordinary here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
