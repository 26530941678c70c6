"""Resolution of a name to a scene: a raster, a Sentinel-2 product, a STAC Item or separate band files."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from pathlib import Path
from types import TracebackType

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from geoships.scene.acquisition import Acquisition
from geoships.scene.bands import BandDescription, common_names, describe_bands
from geoships.scene.georeference import georeference_of
from geoships.scene.opening.band_files import BandFiles, Choose, SceneName
from geoships.scene.opening.item_collection import collection_item
from geoships.scene.opening.memory_scene import MemoryScene
from geoships.scene.opening.names import title_of
from geoships.scene.opening.raster import Source, gdal_env, local_file, open_dataset, open_named, public_name
from geoships.scene.opening.sentinel2_product import product_scene
from geoships.scene.opening.stac_item import read_item
from geoships.scene.opening.vrt import MAX_NESTING
from geoships.support.transform_warning import without_transform_warning

FINEST = frozenset({"blue", "green", "red"})  # bands with the smallest pixels on all sensors


@dataclass(frozen=True)
class Header:
    """Metadata by which a model is chosen.

    Attributes:
        bands: Metadata of each band.
        pixel_size: Pixel size in metres, the geometric mean of width and height; None if it is unknown.
        shape: (rows, columns).
    """

    bands: tuple[BandDescription, ...]
    pixel_size: float | None
    shape: tuple[int, int]


class SceneFile:
    """A scene whose name has been resolved, so that this is done once per run.

    A raster is opened when its header or the raster itself is first needed, and the open handle is passed on by `take`.
    Close the object, or use it in a ``with`` block: this closes a handle that was not taken.

    Args:
        name: A scene, as for `open_scene`.
        trust_vrt: Open a VRT whatever files it refers to.
        incomplete: Open a TIFF that ends before its last block.

    Attributes:
        name: The name as text.
        trust_vrt: As given.
        incomplete: As given.
        files: The files of a Sentinel-2 product, of a STAC Item or of separate bands; None for a single raster.
        memory: An array, or a dataset that a program has opened; None for all others.

    Raises:
        SceneError: A Sentinel-2 product or a STAC Item cannot be read or has no bands. A raster is not opened yet.
    """

    def __init__(self, name: SceneName | MemoryScene, *, trust_vrt: bool = False, incomplete: bool = False) -> None:
        self.name = str(name)
        self.trust_vrt, self.incomplete = trust_vrt, incomplete
        self.memory = name if isinstance(name, MemoryScene) else None
        self.files: BandFiles | None = name if isinstance(name, BandFiles) else None
        if self.memory is None and self.files is None:
            self.files = _listed(self.name)
        self._opened: tuple[Source, DatasetReader] | None = None

    def __enter__(self) -> SceneFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file handle if it is open and was not taken."""
        if self._opened:
            self._opened[1].close()
            self._opened = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths and URLs of all files of the scene; none for an array."""
        if self.memory:
            return self.memory.inputs
        return self.files.inputs if self.files else (self.name,)

    def local_files(self) -> Iterator[Path]:
        """Local files that the scene is read from: sidecar files, archives and the sources of VRTs, too.

        A folder, such as a Sentinel-2 product, stands for all that it holds.

        Raises:
            SceneError: The raster cannot be opened safely.
        """
        if self.files or self.memory:
            for name in self.inputs:
                if path := local_file(name):
                    yield from (path, *_sidecars(path), *_sources(path))
            return
        source, dataset = self._raster()
        if source.path:
            yield source.path
            for name in dataset.files:
                yield from (Path(name), *_sources(Path(name)))

    @property
    def title(self) -> str:
        """File name without folders, and without the query of a URL."""
        if self.files:
            return self.files.name
        return self.memory.title if self.memory else title_of(self.name)

    @property
    def acquired(self) -> Acquisition | None:
        """Acquisition time of a Sentinel-2 product or STAC Item; None for others, or if it is not stated."""
        return self.files.acquired if self.files else None

    @property
    def origins(self) -> tuple[str, ...]:
        """Path or URL, without secrets, of the product or Item, or else of all files."""
        if self.memory:
            return self.memory.origins
        return self.files.origins if self.files else (public_name(self.name),)

    @cached_property
    def header(self) -> Header:
        """Bands and pixel size of the scene.

        Raises:
            SceneError: The raster cannot be opened safely.
        """
        if self.files:
            source = self.files.source(_finest, trust_vrt=self.trust_vrt, incomplete=self.incomplete)
            with gdal_env(source), open_dataset(source) as dataset:
                return _header(dataset)
        source, dataset = self._raster()
        with gdal_env(source):
            return _header(dataset)

    def take(self, choose: Choose | None = None) -> tuple[Source, DatasetReader]:
        """Get the raster of the scene with an open file handle.

        Args:
            choose: Function that selects the bands to read, see `BandFiles.source`. Ignored for a single raster.

        Returns:
            The raster, and an open handle for one thread, which the caller closes.

        Raises:
            SceneError: The raster cannot be opened safely, or separate band files do not fit together.
        """
        if self.files:
            source = self.files.source(choose, trust_vrt=self.trust_vrt, incomplete=self.incomplete)
            return source, open_dataset(source)
        taken = self._raster()
        self._opened = None
        return taken

    def _raster(self) -> tuple[Source, DatasetReader]:
        if self._opened is None and self.memory:
            self._opened = self.memory.source, self.memory.open()
        if self._opened is None:
            self._opened = open_named(self.name, trust_vrt=self.trust_vrt, incomplete=self.incomplete)
        return self._opened


def _sidecars(path: Path) -> Iterator[Path]:
    """Files beside one that have its name and an ending more, such as overviews."""
    if path.is_file():
        yield from path.parent.glob(f"{glob.escape(path.name)}.*")


def _sources(path: Path, depth: int = 0) -> Iterator[Path]:
    """Files that a VRT refers to, also by way of other VRTs; none of a file of another kind."""
    if depth > MAX_NESTING or path.suffix.lower() != ".vrt":
        return
    try:
        with gdal_env(), without_transform_warning(), rasterio.open(path, driver="VRT") as dataset:
            files = [Path(name) for name in dataset.files if Path(name) != path]
    except RasterioError:
        return  # those who read it say what is wrong
    for file in files:
        yield from (file, *_sources(file, depth + 1))


def scene_file(
    name: SceneName | MemoryScene | SceneFile, *, trust_vrt: bool = False, incomplete: bool = False
) -> SceneFile:
    """Resolve a name to a scene, unless this has been done already.

    Args:
        name: A scene, as for `open_scene`, or a resolved scene.
        trust_vrt: Open a VRT whatever files it refers to.
        incomplete: Open a TIFF that ends before its last block.

    Returns:
        The resolved scene.

    Raises:
        SceneError: As for `SceneFile`.
    """
    return name if isinstance(name, SceneFile) else SceneFile(name, trust_vrt=trust_vrt, incomplete=incomplete)


def _listed(name: str) -> BandFiles | None:
    """The files of a Sentinel-2 product or of a STAC Item; None for any other name."""
    return product_scene(name) or collection_item(name) or read_item(name)


def _header(dataset: DatasetReader) -> Header:
    size = georeference_of(dataset).pixel_size()
    return Header(describe_bands(dataset), None if size is None else sqrt(size[0] * size[1]), dataset.shape)


def _finest(bands: Sequence[BandDescription]) -> list[int]:
    """Band numbers of the files from which the pixel size is read: the finest bands, or else the first band."""
    names = common_names(bands)
    return [band.index for band in bands if names[band.index] in FINEST] or [bands[0].index]
