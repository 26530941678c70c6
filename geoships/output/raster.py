"""Write masks and scores as Cloud Optimized GeoTIFFs (COG), one row band at a time."""

from __future__ import annotations

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
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from geoships.errors import OutputError
from geoships.output.classes import SHIP_COLOUR
from geoships.output.reopen import reopen
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference
from geoships.support.files import discard, output_errors, publish, reserve
from geoships.support.transform_warning import without_transform_warning

NODATA = 255
BLOCK = 512  # rows and columns of a block, the size that COG readers expect
SCORE_STEPS = 254  # scores are stored as whole multiples of 1/254; 255 is nodata

WATER_COLOUR = (11, 31, 58)

_LEVEL = 1  # of DEFLATE: takes a third of the time of level 6; scores take a sixth more space
_UNCOMPRESSED_BYTES = 256 * 2**20  # a temporary file up to this size is not compressed
_CHUNK_ROWS = 64  # rows encoded at a time, which bounds the temporary arrays of wide scenes
_CACHE_BYTES = 32 * 2**20  # GDAL's own default is 5 % of the machine's memory


def check_raster(path: Path) -> None:
    """Check that a raster can be written to a file.

    Raises:
        OutputError: For an extension other than .tif and .tiff, and for a folder that cannot be written to.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"cannot write {path}: it will be a GeoTIFF, so its name must end with .tif")
    reserve(path)


class RasterSink(ABC):
    """A Byte raster on the grid of its scene, written from top to bottom.

    Use it as a context manager. Rows are buffered until they fill a row of blocks, written to a temporary GeoTIFF
    beside `path`, and converted to a COG at the end of the with block. The file appears only when it is complete;
    nothing is left after an error. Memory does not grow with the scene's height.

    Attributes:
        path: The GeoTIFF. An older file is replaced at the end.
        description: Description of the first band.
        descriptions: Descriptions of all bands.
        overview_resampling: How GDAL makes the overviews.

    Args:
        path: The GeoTIFF.
        georeference: Of the scene. Transform, CRS and ground control points are copied unchanged.
        metadata: Tags of the file, such as the model's name.
    """

    description: str
    overview_resampling: ClassVar[str]

    def __init__(self, path: Path, georeference: Georeference, metadata: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._georeference = georeference
        self._metadata = dict(metadata or {})
        self._row = 0  # first row of the scene that has not been written yet
        self._compressed = False

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Descriptions of the bands."""
        return (self.description,)

    def __enter__(self) -> Self:
        """Create the temporary file.

        Raises:
            OutputError: Where it cannot be written.
        """
        self._temporary = reserve(self.path)
        self._block_row = np.empty((len(self.descriptions), BLOCK, self._georeference.width), np.uint8)
        self._rows = self._temporary.with_name(f"{self._temporary.stem}-rows.tif")
        try:
            with (
                output_errors(self.path),
                without_transform_warning(),
                rasterio.open(self._rows, "w", **self._profile()) as rows,
            ):
                self._describe(rows)
        except BaseException:
            discard(self._temporary)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Publish the file, unless there was an error.

        Raises:
            OutputError: Where rows are missing, or the file cannot be written.
        """
        try:
            if kind is None:
                self._finish()
        finally:
            discard(self._temporary)

    def write(self, band: RowBand, *others: RowBand) -> None:
        """Write the next rows.

        Args:
            band: Rows that begin where the last row band ended.
            others: The same rows of the other classes, where there are several.

        Raises:
            ValueError: For a row band that does not begin there, or does not fit the scene.
            OutputError: Where the file cannot be written.
        """
        height, width = self._georeference.height, self._georeference.width
        if band.row != self._row or band.row_end > height or band.scores.shape[1] != width:
            raise ValueError(
                f"expected rows of {width} pixels from row {self._row} on, up to row {height}, "
                f"got rows {band.row} to {band.row_end} of {band.scores.shape[1]} pixels"
            )
        while self._row < band.row_end:
            filled = self._row % BLOCK
            count = min(band.row_end - self._row, BLOCK - filled, _CHUNK_ROWS)
            rows = slice(self._row - band.row, self._row - band.row + count)
            values = self._encode(*(each.scores[rows] for each in (band, *others)))
            self._block_row[:, filled : filled + count] = np.where(band.valid[rows], values, NODATA)
            self._row += count
            if self._row % BLOCK == 0 or self._row == height:
                self._write_block_row(filled + count)

    @abstractmethod
    def _encode(self, scores: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Encode the scores of each class, (rows, columns), as stored values, with a first axis for several bands."""

    def _describe(self, rows: DatasetWriter) -> None:
        for number, description in enumerate(self.descriptions, 1):
            rows.set_band_description(number, description)
        rows.update_tags(**self._metadata)

    def _profile(self) -> dict[str, Any]:
        """Creation options of the temporary GeoTIFF. LZW is fast, and has no level to repeat on reopening."""
        pixels = self._georeference.height * self._georeference.width
        return {
            "driver": "GTiff",
            "dtype": "uint8",
            "count": len(self.descriptions),
            "height": self._georeference.height,
            "width": self._georeference.width,
            "nodata": NODATA,
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "compress": "none" if pixels <= _UNCOMPRESSED_BYTES else "lzw",
            "bigtiff": "if_safer",
            "sparse_ok": True,  # blocks that are never written take no space and read as nodata
            # several bands are scores, not colours
            **({"photometric": "minisblack", "interleave": "band"} if len(self.descriptions) > 1 else {}),
            **_georeferencing(self._georeference),
        }

    def _write_block_row(self, count: int) -> None:
        """Write the last `count` rows.

        The file is reopened for each row of blocks: a dataset that stays open keeps its blocks in GDAL's cache,
        which the whole process shares and which may take gigabytes.
        """
        values = self._block_row[:, :count]
        if (values == NODATA).all():
            return
        window = RasterioWindow(0, self._row - count, self._georeference.width, count)
        with output_errors(self.path), without_transform_warning(), reopen(self._rows) as rows:
            rows.write(values, window=window)

    def compress(self) -> None:
        """Convert the temporary GeoTIFF to a COG, still under a temporary name, and read it once to verify it.

        Called at the end of the with block unless it was called before.

        Raises:
            OutputError: Where rows are missing, or the file cannot be written.
        """
        height = self._georeference.height
        if self._row < height:
            raise OutputError(f"{self.path} was not written: only {self._row} of {height} rows were computed")
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
    """Compress the rasters of several sinks in parallel threads while the with block runs.

    The files appear at the end of each sink's own with block.

    Args:
        sinks: Sinks that have all their rows.

    Raises:
        OutputError: As `RasterSink.compress` does.
    """
    with ThreadPoolExecutor(max(1, len(sinks)), thread_name_prefix="compress") as pool:
        futures = [pool.submit(sink.compress) for sink in sinks]
        yield
        for future in futures:
            future.result()


class MaskSink(RasterSink):
    """The ship mask: 1 where the score is at least the threshold, 0 elsewhere, 255 (nodata) without data.

    Args:
        path: The GeoTIFF.
        georeference: Of the scene.
        threshold: Minimum score of a ship pixel, 0 to 1.
        metadata: Tags of the file.
        name: Name of the class.
        colour: Colour of the class; red, green and blue from 0 to 255.
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

    def _encode(self, scores: NDArray[np.float32], *_: NDArray[np.float32]) -> NDArray[np.uint8]:
        return (scores >= self._threshold).astype(np.uint8)

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.write_colormap(1, {0: WATER_COLOUR, 1: self._colour})


class ScoreSink(RasterSink):
    """Scores from 0 to 1, stored as Byte 0 to 254 with the scale 1/254; 255 (nodata) without data.

    Several classes have one band each.

    The file declares the scale, so a GIS shows 0 to 1. The rounding error is at most 1/508. Float32 would take 30
    times the space and 5 times the time, most of it for noise over water.

    Args:
        path: The GeoTIFF.
        georeference: Of the scene.
        metadata: Tags of the file.
        name: Name of the class.
        others: Names of the other classes, where there are several.
    """

    description = "ship score"
    overview_resampling = "average"

    def __init__(
        self,
        path: Path,
        georeference: Georeference,
        metadata: Mapping[str, str] | None = None,
        *,
        name: str = "ship",
        others: Sequence[str] = (),
    ) -> None:
        super().__init__(path, georeference, metadata)
        self._names = (name, *others)
        self.description = self.descriptions[0]

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Descriptions of the bands."""
        return tuple(f"{name} score" for name in self._names)

    def _encode(self, scores: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.uint8]:
        steps = [np.rint(each * np.float32(SCORE_STEPS)).astype(np.uint8) for each in (scores, *others)]
        return np.stack(steps)

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.scales = (1 / SCORE_STEPS,) * len(self._names)
        rows.offsets = (0.0,) * len(self._names)


class ClassSink(RasterSink):
    """Class numbers 0 to 254, given as the scores of the row bands; 255 (nodata) without data."""

    description = "class"
    overview_resampling = "nearest"

    def _encode(self, scores: NDArray[np.float32], *_: NDArray[np.float32]) -> NDArray[np.uint8]:
        return scores.astype(np.uint8)


def _georeferencing(georeference: Georeference) -> dict[str, Any]:
    """CRS with the transform or the ground control points of a scene: a GeoTIFF cannot hold both."""
    crs = rasterio.CRS() if georeference.crs is None else rasterio.CRS.from_user_input(georeference.crs)
    if georeference.transform is not None:
        return {"crs": crs, "transform": georeference.transform}
    if georeference.gcps:
        return {"crs": crs, "gcps": list(georeference.gcps)}
    return {"crs": crs}


def _read_back(path: Path) -> None:
    """Decode every block and overview: GDAL does not report when the disk fills up while it closes a file."""
    with without_transform_warning(), rasterio.open(path) as dataset:
        overviews = len(dataset.overviews(1))
    for level in [None, *range(overviews)]:
        options = {} if level is None else {"overview_level": level}
        with without_transform_warning(), rasterio.open(path, num_threads="all_cpus", **options) as dataset:
            for row in range(0, dataset.height, BLOCK):
                rows = min(BLOCK, dataset.height - row)
                dataset.read(window=RasterioWindow(0, row, dataset.width, rows))
