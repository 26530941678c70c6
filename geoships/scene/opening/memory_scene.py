"""Scenes that a program holds in memory or has opened itself, as rasters that GDAL opens by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter, MemoryFile
from rasterio.vrt import WarpedVRT

from geoships.errors import SceneError
from geoships.scene.opening.names import is_remote, title_of
from geoships.scene.opening.raster import Source, check_dataset, gdal_env, open_dataset, public_name

ARRAY = "array"  # name of a scene that has none


@dataclass(frozen=True)
class MemoryScene:
    """A scene that is no file by itself: an array, or a dataset that a program has opened.

    Attributes:
        name: Name of the scene.
        source: What GDAL opens.
        inputs: Paths and URLs of the files behind it; none for an array.
        memory: File in memory that is opened; None if the file is elsewhere.
    """

    name: str
    source: Source
    inputs: tuple[str, ...] = ()
    memory: MemoryFile | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        """Name of the scene without folders."""
        return title_of(self.name) or self.name

    @property
    def origins(self) -> tuple[str, ...]:
        """Paths and URLs, without secrets, of the files behind the scene."""
        return tuple(map(public_name, self.inputs))

    def open(self) -> DatasetReader:
        """Open a new file handle, which the caller closes.

        Raises:
            SceneError: The scene has complex values, or its geotransform cannot be true.
        """
        dataset = open_dataset(self.source)
        try:
            with gdal_env(self.source):
                check_dataset(dataset, self.name, trust_vrt=True)
        except BaseException:
            dataset.close()
            raise
        return dataset

    def close(self) -> None:
        """Free the memory. File handles of the scene have to be closed before."""
        if self.memory is not None:
            self.memory.close()


def dataset_scene(dataset: DatasetReader | WarpedVRT) -> MemoryScene:
    """Make a scene of a dataset that a program has opened with rasterio.

    The dataset is not read itself, because every thread needs a file handle of its own. A file that was opened without
    options is opened again by its name, any other dataset by a GDAL virtual raster (VRT) in memory that refers to it.

    Args:
        dataset: Open for reading. It has to stay open as long as the scene is used.

    Returns:
        The scene. Close it at the end.

    Raises:
        SceneError: The dataset is closed, or open for writing.
    """
    if dataset.closed:
        raise SceneError(f"{dataset.name}: the dataset is closed; call predict inside its with block")
    if isinstance(dataset, DatasetWriter) or dataset.mode != "r":
        raise SceneError(f"{dataset.name}: the dataset is open for writing; close it, and open it again for reading")
    warped = isinstance(dataset, WarpedVRT)
    origin: DatasetReader = dataset.src_dataset if warped else dataset
    inputs = () if origin.name.startswith("/vsimem/") else (origin.name,)
    name = title_of(origin.name) if not inputs else origin.name
    if not warped and not dataset.options and inputs:
        return MemoryScene(name, _named(dataset), inputs)
    memory = MemoryFile(ext=".vrt")
    try:
        rasterio.shutil.copy(dataset, memory.name, driver="VRT")
    except RasterioError as error:
        memory.close()
        raise SceneError(f"{name}: the dataset cannot be opened a second time ({error}); give its path") from error
    return MemoryScene(name, Source(name, memory.name, "VRT", None, is_remote(origin.name)), inputs, memory)


def _named(dataset: DatasetReader) -> Source:
    """A dataset as rasterio was told its name."""
    remote = is_remote(dataset.name)
    path = Path(dataset.name).absolute() if not remote and Path(dataset.name).is_file() else None
    return Source(dataset.name, str(path or dataset.name), dataset.driver, path, remote)
