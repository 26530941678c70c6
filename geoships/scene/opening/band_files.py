"""Scenes with a separate file for each band, as Sentinel-2 and Landsat products have.

The files are combined to one GDAL virtual raster on the grid of the band with the smallest pixels, so that they are
read like any other scene. Bands that are not requested have no source in it, and their files are never opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition
from geoships.scene.angles import Angles
from geoships.scene.bands import BandDescription
from geoships.scene.opening.names import stem_of
from geoships.scene.opening.raster import Source, gdal_env, open_named, public_name
from geoships.scene.validity import Validity, stored_nodata

GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}

# Resampling of coarser bands to the finest grid, as in the training scenes of the models.
RESAMPLING = "bilinear"

Choose = Callable[[Sequence[BandDescription]], Collection[int]]


@dataclass(frozen=True)
class BandFile:
    """One band of a scene and its file.

    Attributes:
        name: Common name (blue, nir, swir16) or name of the sensor's band (B02).
        href: Path, or ``http(s)://`` or ``s3://`` URL.
        index: Band number in the file, from 1.
        scale: Scale to reflectance = stored value * scale + offset; None: scale and offset of the file.
        offset: Offset to reflectance; None: 0 if `scale` is given.
        nodata: Stored value of pixels without data; None: the nodata value of the file.
    """

    name: str
    href: str
    index: int = 1
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None


@dataclass(frozen=True)
class BandFiles:
    """A scene with a separate file for each band.

    Attributes:
        name: Name of the scene, for messages and the names of outputs.
        files: The bands.
        address: Path or URL of the document that lists the files, such as a STAC Item; None if the user listed them.
        acquired: Acquisition time; None: from the metadata of the files.
        tags: Additional metadata tags.
        rule: Source of scale and offset of the files, as text.
        warnings: Warnings for the user about the files.
        classes: Scene classification (SCL) of a Sentinel-2 scene of level 2A; None if there is none.
        angles: Where sun and satellite stood; None if that is not known.

    Raises:
        SceneError: There are no files.
    """

    name: str
    files: tuple[BandFile, ...]
    address: str | None = None
    acquired: Acquisition | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rule: str = "scale and offset tags of the files"
    warnings: tuple[str, ...] = ()
    classes: BandFile | None = None
    angles: Angles | None = None
    _parts: dict[tuple[int, bool, bool], _Part] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.files:
            raise SceneError(f"{self.name}: the scene has no bands; give at least one file")

    def __str__(self) -> str:
        return self.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths and URLs of all files: the document that lists them, if any, and the band files."""
        return (*([self.address] if self.address else []), *(file.href for file in self.files))

    @property
    def origins(self) -> tuple[str, ...]:
        """Path or URL, without secrets, of the document that lists the files, or else of all files."""
        return tuple(map(public_name, [self.address] if self.address else [file.href for file in self.files]))

    @property
    def described(self) -> tuple[BandDescription, ...]:
        """Names of the bands, without opening a file."""
        return tuple(BandDescription(index, file.name) for index, file in enumerate(self.files, 1))

    def source(self, choose: Choose | None = None, *, trust_vrt: bool = False, incomplete: bool = False) -> Source:
        """Make a virtual raster of all bands, on the finest grid of the bands that will be read.

        Args:
            choose: Function that takes `described` and returns the numbers (from 1) of the bands that will be read;
                None: all bands.
            trust_vrt: Open VRTs whatever files they refer to.
            incomplete: Open TIFFs that end before their last block.

        Returns:
            The virtual raster. Bands that will not be read are empty in it.

        Raises:
            SceneError: A file cannot be opened safely, or its grid does not fit the grid of the other files.
        """
        chosen = set(choose(self.described)) if choose else set(range(1, len(self.files) + 1))
        parts = {index: self._part(index, trust_vrt, incomplete) for index in sorted(chosen)}
        grid = min(parts.values(), key=lambda part: part.pixel_area)
        root = _virtual_raster(grid, {**grid.tags, **self.tags})
        for index, file in enumerate(self.files, 1):
            _add_band(root, index, file, parts.get(index), grid)
        _add_alphas(root, list(parts.values()), grid)
        remote = any(part.source.is_remote for part in parts.values())
        return Source(self.name, ElementTree.tostring(root, encoding="unicode"), "VRT", None, remote)

    def _part(self, index: int, trust_vrt: bool, incomplete: bool) -> _Part:
        """Metadata of a file, which is opened only once."""
        key = index, trust_vrt, incomplete
        known = self._parts.get(key)
        if known is None:
            file = self.files[index - 1]
            known = self._parts[key] = _Part.of(file, trust_vrt=trust_vrt, incomplete=incomplete)
        return known


def band_files(given: Sequence[str]) -> BandFiles:
    """Make a scene of separate files for each band.

    The files may differ in pixel size: coarser bands are resampled to the finest grid of the bands that are read, by
    bilinear interpolation. Nothing is opened until the scene is.

    Args:
        given: One text per band: ``NAME=FILE``, e.g. ``blue=B02.jp2``, or ``NAME=FILE:NUMBER`` for one band (from 1) of
            a file with several, e.g. ``red=a.tif:3``. NAME is a common name (blue, nir, swir16) or the name of the
            sensor's band (B02). FILE is a path or a URL.

    Returns:
        The scene, to be given to `open_scene` or `predict`. It is named after the first file.

    Raises:
        SceneError: A text has another form, or a band is given twice.

    >>> band_files(["blue=T31_B02.jp2", "red=T31_B04.jp2"]).name
    'T31_B02'
    """
    files = [_parse(text) for text in given]
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SceneError(f"--band gives {', '.join(twice)} more than once; give one file for each band")
    return BandFiles(stem_of(files[0].href), tuple(files))


def _parse(text: str) -> BandFile:
    name, equals, href = text.partition("=")
    if not (name.strip() and equals and href.strip()):
        raise SceneError(f"--band {text!r}: expected NAME=FILE, e.g. --band blue=B02.jp2")
    path, _, number = href.rpartition(":")
    if path and number.isdecimal() and int(number) > 0 and "://" + number not in href and not Path(href).exists():
        return BandFile(name.strip(), path, int(number))
    return BandFile(name.strip(), href.strip())


@dataclass(frozen=True)
class _Part:
    """Metadata of one file that are needed to place its band on a grid."""

    name: str
    source: Source
    height: int
    width: int
    transform: Affine | None
    crs: CRS | None
    gcps: tuple[GroundControlPoint, ...]
    dtype: str
    scale: float
    offset: float
    nodata: float | None
    block: tuple[int, int]
    masks: tuple[tuple[str, str], ...]  # sources of alpha bands: number or name of a mask, and data type
    tags: Mapping[str, str]

    @classmethod
    def of(cls, file: BandFile, *, trust_vrt: bool, incomplete: bool) -> _Part:
        source, dataset = open_named(file.href, trust_vrt=trust_vrt, incomplete=incomplete)
        with gdal_env(source), dataset:
            if file.index > dataset.count:
                raise SceneError(
                    f"{source.public_name}: the file has {dataset.count} bands, so {file.name} cannot be band "
                    f"{file.index}; give a number from 1 to {dataset.count}"
                )
            return cls._read(file, source, dataset)

    @classmethod
    def _read(cls, file: BandFile, source: Source, dataset: DatasetReader) -> _Part:
        band = file.index - 1
        points, points_crs = dataset.gcps
        transform = None if dataset.transform.is_identity or dataset.transform.is_degenerate else dataset.transform
        stated = file.scale is not None
        validity = Validity.of(dataset, [file.index])
        return cls(
            name=file.name,
            source=source,
            height=dataset.height,
            width=dataset.width,
            transform=transform,
            crs=points_crs if transform is None and points else dataset.crs,
            gcps=tuple(points) if transform is None else (),
            dtype=dataset.dtypes[band],
            scale=file.scale if file.scale is not None else dataset.scales[band],
            offset=(file.offset or 0.0) if stated else dataset.offsets[band],
            nodata=stored_nodata(
                dataset.nodatavals[band] if file.nodata is None else file.nodata, dataset.dtypes[band]
            ),
            block=dataset.block_shapes[band],
            masks=(
                *((f"mask,{number}", "uint8") for number in validity.masks),
                *((str(number), dataset.dtypes[number - 1]) for number in validity.alphas if number != file.index),
            ),
            tags={**dataset.tags(), **dataset.tags(ns="IMAGERY")},
        )

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in squared units of the CRS; 1 if there is no geotransform."""
        return 1.0 if self.transform is None else abs(self.transform.determinant)


def _virtual_raster(grid: _Part, tags: Mapping[str, str]) -> Element:
    root = Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    wkt = grid.crs.to_wkt() if grid.crs else ""
    if grid.transform is not None:
        if wkt:
            SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = wkt
        SubElement(root, "GeoTransform").text = ", ".join(map(repr, grid.transform.to_gdal()))
    elif grid.gcps:
        points = SubElement(root, "GCPList", Projection=wkt, dataAxisToSRSAxisMapping="1,2")
        for number, point in enumerate(grid.gcps, 1):
            place = {"Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y, "Z": point.z or 0.0}
            values = {key: repr(float(value)) for key, value in place.items()}
            SubElement(points, "GCP", {"Id": str(number), **values})
    metadata = SubElement(root, "Metadata")
    for key, value in tags.items():
        if value.isprintable():  # XML cannot contain control characters
            SubElement(metadata, "MDI", key=key).text = value
    return root


def _add_band(root: Element, number: int, file: BandFile, part: _Part | None, grid: _Part) -> None:
    """Add a band. Without `part` it has no source file."""
    shown = part or grid
    rows, columns = grid.block  # blocks of the file, so that no block is decoded for two windows
    band = SubElement(
        root, "VRTRasterBand", dataType=GDAL_TYPES[shown.dtype], band=str(number),
        blockXSize=str(min(columns, grid.width)), blockYSize=str(min(rows, grid.height)),
    )  # fmt: skip
    SubElement(band, "Description").text = file.name
    if part is None:
        return
    if part.nodata is not None:
        SubElement(band, "NoDataValue").text = repr(part.nodata)
    SubElement(band, "Scale").text = repr(part.scale)
    SubElement(band, "Offset").text = repr(part.offset)
    _add_source(band, part, str(file.index), grid)


def _add_alphas(root: Element, parts: Sequence[_Part], grid: _Part) -> None:
    """Add the masks and alpha bands of all files, each once, as alpha bands behind the bands."""
    masks = {(part.source.gdal_name, index): (part, dtype) for part in parts for index, dtype in part.masks}
    for number, ((_, index), (part, dtype)) in enumerate(masks.items(), len(root.findall("VRTRasterBand")) + 1):
        band = SubElement(root, "VRTRasterBand", dataType=GDAL_TYPES[dtype], band=str(number))
        SubElement(band, "ColorInterp").text = "Alpha"
        _add_source(band, part, index, grid, resampling=None)


def _add_source(band: Element, part: _Part, index: str, grid: _Part, resampling: str | None = RESAMPLING) -> None:
    source_window, target_window = _placed(part, grid)
    same = source_window == target_window
    source = SubElement(band, "SimpleSource", {} if same or not resampling else {"resampling": resampling})
    SubElement(source, "SourceFilename", relativeToVRT="0", shared="0").text = part.source.gdal_name
    SubElement(source, "SourceBand").text = index
    SubElement(
        source, "SourceProperties", RasterXSize=str(part.width), RasterYSize=str(part.height),
        DataType=GDAL_TYPES[part.dtype], BlockXSize=str(part.block[1]), BlockYSize=str(part.block[0]),
    )  # fmt: skip
    for name, window in (("SrcRect", source_window), ("DstRect", target_window)):
        keys = ("xOff", "yOff", "xSize", "ySize")
        SubElement(source, name, {key: repr(value) for key, value in zip(keys, window, strict=True)})


Rectangle = tuple[float, float, float, float]


def _placed(part: _Part, grid: _Part) -> tuple[Rectangle, Rectangle]:
    """Windows of a file and of the grid that cover the same area, each as (column, row, columns, rows).

    Raises SceneError if the grids are not parallel, or the file lacks more than one of its pixels at an edge.
    """
    whole = (0.0, 0.0, float(grid.width), float(grid.height))
    shape = (part.height, part.width) == (grid.height, grid.width)
    if part is grid or (shape and part.transform is None and grid.transform is None):
        return whole, whole
    if part.transform is None or grid.transform is None or not _same_crs(part.crs, grid.crs):
        raise _misfit(part, grid, "has another coordinate reference system than")
    to_part = ~part.transform @ grid.transform
    drift = max(abs(to_part.b) * grid.height, abs(to_part.d) * grid.width)
    if drift > 0.01 or to_part.a <= 0 or to_part.e <= 0:
        raise _misfit(part, grid, "is rotated relative to")
    columns = _overlap(to_part.c, to_part.a, grid.width, part.width)
    rows = _overlap(to_part.f, to_part.e, grid.height, part.height)
    if columns is None or rows is None:
        raise _misfit(part, grid, "does not cover")
    (x, width, left, across), (y, height, top, down) = columns, rows
    return (x, y, width, height), (left, top, across, down)


def _overlap(start: float, step: float, length: int, limit: int) -> tuple[float, float, float, float] | None:
    """Common part of the file and the grid along one axis; None if more than a pixel of the file is missing.

    Args:
        start: Start of the grid in pixels of the file.
        step: File pixels per grid pixel.
        length: Pixels of the grid.
        limit: Pixels of the file.

    Returns:
        (start, size) in pixels of the file, then (start, size) in pixels of the grid.

    >>> _overlap(0.0, 0.5, 100, 50)
    (0.0, 50.0, 0.0, 100.0)
    """
    nearest = round(start)  # differences of less than a thousandth of a pixel are rounding errors
    start = float(nearest) if abs(start - nearest) < 1e-3 else start
    end = start + step * length
    end = float(round(end)) if abs(end - round(end)) < 1e-3 else end
    if start < -1 or end > limit + 1:
        return None
    first, last = max(start, 0.0), min(end, float(limit))
    return first, last - first, (first - start) / step, (last - first) / (end - start) * length


def _same_crs(one: CRS | None, other: CRS | None) -> bool:
    if one == other or not one or not other:
        return (not one) == (not other)
    return one.to_epsg() is not None and one.to_epsg() == other.to_epsg()


def _misfit(part: _Part, grid: _Part, how: str) -> SceneError:
    return SceneError(
        f"the band {part.name} ({part.source.public_name}) {how} the band {grid.name} ({grid.source.public_name}); "
        "resample both to one grid, e.g. with gdalwarp"
    )


SceneName = str | os.PathLike[str] | BandFiles
