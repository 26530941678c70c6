"""The one place that turns a name into a scene: a raster, a product, a STAC Item or files band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from types import TracebackType

from rasterio.io import DatasetReader

from geoships.scene.acquisition import Acquisition
from geoships.scene.bands import BandDescription, common_names, describe_bands
from geoships.scene.georeference import georeference_of
from geoships.scene.opening.band_files import BandFiles, Choose, SceneName
from geoships.scene.opening.raster import Source, gdal_env, open_dataset, open_named, public_name
from geoships.scene.opening.sentinel2_product import product_scene
from geoships.scene.opening.stac_item import read_item

FINEST = frozenset({"blue", "green", "red"})  # the bands that have the smallest pixels on every sensor


@dataclass(frozen=True)
class Header:
    """What a model is chosen by.

    Attributes:
        bands: of the raster, by their numbers from 1.
        pixel_size: in metres, the geometric mean of both sides; None where it is not known.

    """

    bands: tuple[BandDescription, ...]
    pixel_size: float | None


class SceneFile:
    """A scene whose name was resolved once. Its files are opened when they are first needed, and then handed on.

    Used in a ``with`` block, or closed: a file that nobody took is closed then.

    Args:
        name: a path, a subdataset, an ``http(s)://`` or ``s3://`` address of a raster or a STAC Item, a product of
            Sentinel-2, or files band by band.
        trust_vrt: open a VRT whatever files it refers to.

    Raises:
        SceneError: a product or STAC Item cannot be read or has no bands. A raster is not opened yet.

    """

    def __init__(self, name: SceneName, *, trust_vrt: bool = False) -> None:
        self.name = str(name)
        self.trust_vrt = trust_vrt
        self.files: BandFiles | None = name if isinstance(name, BandFiles) else _listed(self.name)
        self._opened: tuple[Source, DatasetReader] | None = None

    def __enter__(self) -> SceneFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that was opened and that nobody took."""
        if self._opened:
            self._opened[1].close()
            self._opened = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths and addresses of all that is read."""
        return self.files.inputs if self.files else (self.name,)

    @property
    def title(self) -> str:
        """Name of the file, without folders, and without the query of an address."""
        if self.files:
            return self.files.name
        return self.name.partition("?")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]

    @property
    def acquired(self) -> Acquisition | None:
        """When the scene was taken, where a product or an Item states it."""
        return self.files.acquired if self.files else None

    @property
    def origins(self) -> tuple[str, ...]:
        """What the scene is derived from, without secrets: the product or Item, or else all files."""
        return self.files.origins if self.files else (public_name(self.name),)

    @cached_property
    def header(self) -> Header:
        """Its bands and its pixel size. Raises SceneError where the raster cannot be opened safely."""
        if self.files:
            source = self.files.source(_finest, trust_vrt=self.trust_vrt)
            with gdal_env(source), open_dataset(source) as dataset:
                return _header(dataset)
        source, dataset = self._raster()
        with gdal_env(source):
            return _header(dataset)

    def take(self, choose: Choose | None = None) -> tuple[Source, DatasetReader]:
        """The raster that the scene is read from, and an open handle of it for this thread; the caller closes it.

        Args:
            choose: see `BandFiles.source`: which bands will be read. Of a single raster there are always all.

        Raises:
            SceneError: the raster cannot be opened safely, or files band by band do not fit together.

        """
        if self.files:
            source = self.files.source(choose, trust_vrt=self.trust_vrt)
            return source, open_dataset(source)
        taken = self._raster()
        self._opened = None
        return taken

    def _raster(self) -> tuple[Source, DatasetReader]:
        if self._opened is None:
            self._opened = open_named(self.name, trust_vrt=self.trust_vrt)
        return self._opened


def scene_file(name: SceneName | SceneFile, *, trust_vrt: bool = False) -> SceneFile:
    """The scene of a name, or the one that was resolved already."""
    return name if isinstance(name, SceneFile) else SceneFile(name, trust_vrt=trust_vrt)


def _listed(name: str) -> BandFiles | None:
    """The files of a product of Sentinel-2 or of a STAC Item; None for any other name."""
    return product_scene(name) or read_item(name)


def _header(dataset: DatasetReader) -> Header:
    size = georeference_of(dataset).pixel_size()
    return Header(describe_bands(dataset), None if size is None else sqrt(size[0] * size[1]))


def _finest(bands: Sequence[BandDescription]) -> list[int]:
    """Which of several files tell the pixel size: the finest bands of every sensor, or else the first."""
    names = common_names(bands)
    return [band.index for band in bands if names[band.index] in FINEST] or [bands[0].index]
