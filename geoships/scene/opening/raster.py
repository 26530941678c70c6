"""Opening a scene safely: what the user named, and nothing that it might point to behind the user's back.

GDAL opens far more than files: connection strings, services, XML that runs Python. So names are taken apart here,
GDAL is told which drivers it may try, and a VRT is read before GDAL sees it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geoships.errors import SceneError
from geoships.scene.opening.hdf5 import check_hdf5
from geoships.scene.opening.signatures import check_sidecars, is_vrt, read_header, vector_format
from geoships.scene.opening.vrt import check_vrt

# Drivers that read pictures from the file they are given and from sidecars beside it. Not among them, on purpose:
# services (WMS, WMTS, EEDAI, ...), indexes of other files (GTI, STACIT, ...), DERIVED, and XML products.
PICTURE_DRIVERS = (
    "GTiff",
    "JP2OpenJPEG",
    "JP2KAK",
    "JP2MrSID",
    "JPEG2000",
    "PNG",
    "JPEG",
    "JPEGXL",
    "AVIF",
    "WEBP",
    "GIF",
    "BIGGIF",
    "BMP",
    "HFA",
    "ENVI",
)
CONTAINER_DRIVERS = ("netCDF", "HDF5", "HDF5Image")
SUBDATASET_DRIVERS = {"NETCDF": ("netCDF",), "HDF5": ("HDF5Image", "HDF5")}

SUBDATASET = re.compile(
    r'(?P<driver>NETCDF|HDF5):(?:"(?P<quoted>[^"]+)"|(?P<bare>(?:https?://|s3://)?[^":]+)):(?P<variable>[^"]+)', re.I
)
CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]+:|<")
ARCHIVES = {"zip://": "/vsizip/", "tar://": "/vsitar/", "/vsizip/": "/vsizip/", "/vsitar/": "/vsitar/"}

GDAL_OPTIONS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_CACHEMAX": 32 * 2**20,  # bytes: each block is decoded once, so that a large cache would only hold memory
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 0.5,  # s, doubled at each attempt
    "GDAL_HTTP_CONNECTTIMEOUT": 10,  # s
    "GDAL_HTTP_LOW_SPEED_TIME": 30,  # s below GDAL_HTTP_LOW_SPEED_LIMIT: a stalled transfer ends, a long one does not
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,  # bytes per s
    "VSI_CACHE": "YES",
    "VSI_CACHE_SIZE": 16 * 2**20,  # bytes per open file
    "CPL_VSIL_CURL_CACHE_SIZE": 64 * 2**20,  # bytes, all files together
}


@dataclass(frozen=True)
class Source:
    """A scene that can be opened.

    name: as the user gave it.
    gdal_name: what GDAL is given: an absolute path, a name in a virtual file system, or a subdataset of one.
    driver: the GDAL driver that reads it.
    path: the local file (the archive or container, where the scene is a part of one); None for remote scenes.
    is_remote: whether pixels come over the network.
    """

    name: str
    gdal_name: str
    driver: str
    path: Path | None
    is_remote: bool

    @property
    def reads_sidecars(self) -> bool:
        """Whether world files, overviews, masks and .aux.xml beside the scene are looked for."""
        return not (self.is_remote or re.search(r"(^|>)/vsi", self.gdal_name))  # itself, or a file of a virtual raster

    @property
    def public_name(self) -> str:
        """The local file, or else the name without secrets."""
        return str(self.path) if self.path else _shown(self.name)


@dataclass(frozen=True)
class _Location:
    """Where a name leads, before anything is opened. drivers: those that GDAL may try."""

    gdal_name: str
    drivers: tuple[str, ...]
    path: Path | None = None
    is_remote: bool = False


def public_name(name: str) -> str:
    """Where a name leads, for others: an absolute path, or an address without its query and password."""
    if name.lower().startswith("file://"):
        name = unquote(name[len("file://") :])
    return _shown(name) if "://" in name or SUBDATASET.fullmatch(name) else os.path.abspath(name)  # noqa: PTH100


def gdal_env(source: Source | None = None) -> rasterio.Env:
    """GDAL's settings for reading scenes, as a context manager; enter it in every thread that reads.

    With a source that is remote or in an archive, GDAL does not look for sidecars: on a server that would cost
    a listing and a request for each. AWS settings (AWS_NO_SIGN_REQUEST, AWS_REGION, AWS_PROFILE, ...) and GDAL
    settings in the user's environment keep their say, but Python in VRTs stays off.
    """
    sidecars = source is None or source.reads_sidecars
    options = {key: value for key, value in GDAL_OPTIONS.items() if key not in os.environ}
    options["GDAL_VRT_ENABLE_PYTHON"] = "NO"
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE" if sidecars else "EMPTY_DIR", **options)


def resolve(name: str | Path, *, trust_vrt: bool = False) -> Source:
    """Find out what a name stands for, and check that it is safe and usable.

    Args and errors: as for `open_named`, whose file is closed again.
    """
    source, dataset = open_named(name, trust_vrt=trust_vrt)
    dataset.close()
    return source


def open_named(name: str | Path, *, trust_vrt: bool = False) -> tuple[Source, DatasetReader]:
    """Find out what a name stands for, check that it is safe and usable, and hand over the file that was opened for it.

    Args:
        name: a local path, file://, http(s):// or s3:// URL, zip:// or tar:// member (`zip://a.zip!b.tif`), or a
            subdataset (`NETCDF:"a.nc":var`, `HDF5:"a.h5"://group/var`).
        trust_vrt: open VRTs wherever their sources lie. Python in them stays off.

    Returns:
        The source, and an open handle for one thread, which the caller closes. Read from it within `gdal_env(source)`.

    Raises:
        SceneError: the scene is missing, unreadable, refused, not a raster, or holds no real values.

    """
    text = os.fspath(name)
    location = _locate(text, trust_vrt)
    candidate = Source(text, location.gdal_name, "", location.path, location.is_remote)
    with gdal_env(candidate):
        dataset = _open(candidate, location.drivers)
        try:
            _check_dataset(dataset, text, trust_vrt)
        except BaseException:
            dataset.close()
            raise
        return replace(candidate, driver=dataset.driver), dataset


def open_dataset(source: Source) -> DatasetReader:
    """Open a fresh handle of the scene, for one thread at a time; the caller closes it.

    Read from it within `gdal_env(source)`. Raises SceneError where it cannot be opened any more.
    """
    drivers = CONTAINER_DRIVERS if source.driver in CONTAINER_DRIVERS else (source.driver,)
    with gdal_env(source):
        return _open(source, drivers)


def _open(source: Source, drivers: Sequence[str]) -> DatasetReader:
    built = [driver for driver in drivers if driver in _built_drivers()]
    if not built:
        raise SceneError(f"{_shown(source.name)}: this build of GDAL has no {drivers[0]} driver; convert it to GeoTIFF")
    try:
        with warnings.catch_warnings():
            # Georeferencing is reported by whoever asks for it, with what follows from it.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return DatasetReader(source.gdal_name, driver=built, sharing=False)
    except (RasterioError, OSError, ValueError) as error:
        raise SceneError(f"{_shown(source.name)}: {_explain(error, source)}") from error


@lru_cache(maxsize=1)
def _built_drivers() -> frozenset[str]:
    with rasterio.Env() as env:
        return frozenset(env.drivers())


# --- names -----------------------------------------------------------------------------------------------------------


def _locate(name: str, trust_vrt: bool) -> _Location:
    if not name or "\0" in name:
        raise SceneError("the scene has no name; give a file or URL")
    for prefix, system in ARCHIVES.items():
        if name.lower().startswith(prefix):
            return _locate_in_archive(name, name[len(prefix) :], system, trust_vrt)
    if name.startswith(("/vsi", "\\\\?\\")):
        raise SceneError(f"{_shown(name)}: GDAL's own virtual file names are not accepted; give the path or URL itself")
    scheme = name.partition("://")[0].lower() if "://" in name else ""
    if scheme in {"http", "https"}:
        return _remote(f"/vsicurl/{name}", name, trust_vrt)
    if scheme == "s3":
        return _remote(f"/vsis3/{name[len('s3://') :]}", name, trust_vrt)
    if scheme == "file":
        return _locate_file(name, unquote(name[len("file://") :]), trust_vrt)
    subdataset = SUBDATASET.fullmatch(name)
    if subdataset and not Path(name).exists():
        return _locate_subdataset(name, subdataset)
    return _locate_file(name, name, trust_vrt)


def _remote(gdal_name: str, name: str, trust_vrt: bool) -> _Location:
    if name.partition("?")[0].lower().endswith(".vrt") and not trust_vrt:
        raise SceneError(
            f"{_shown(name)}: a VRT on a server is refused because it may name any other file; "
            "download it with its sources, or pass --trust-vrt if you know who made it"
        )
    return _Location(gdal_name, _drivers(trust_vrt), is_remote=True)


def _drivers(trust_vrt: bool) -> tuple[str, ...]:
    """Drivers for a file that cannot be looked into beforehand: containers and VRTs may name other files."""
    return (*PICTURE_DRIVERS, *((*CONTAINER_DRIVERS, "VRT") if trust_vrt else ()))


def _locate_file(name: str, text: str, trust_vrt: bool) -> _Location:
    path = Path(os.path.abspath(text))  # noqa: PTH100 (links stay: a sidecar lies beside the link)
    _check_file(path, name)
    if is_vrt(read_header(path)):
        if not trust_vrt:
            check_vrt(path)
        return _Location(str(path), ("VRT",), path)
    check_hdf5(path)
    check_sidecars([path])
    return _Location(str(path), (*PICTURE_DRIVERS, *CONTAINER_DRIVERS), path)


def _check_file(path: Path, name: str) -> None:
    if str(path).startswith("/vsi"):
        raise SceneError(f"{name}: GDAL's own virtual file names are not accepted; give the path or URL itself")
    try:
        exists, is_file = path.exists(), path.is_file()
        size = path.stat().st_size if is_file else 0
    except OSError as error:  # a name too long for the file system, a folder without permission
        raise SceneError(f"{_shown(name)[:200]}: cannot be read ({error.strerror}); check the name") from error
    if not exists and CONNECTION.match(name) and not name.lower().startswith("file:"):
        raise SceneError(
            f"{_shown(name)[:200]}: connection strings are not accepted; give a file, http(s)://, s3://, "
            'zip://archive.zip!member, NETCDF:"file":variable or HDF5:"file"://variable'
        )
    if not exists:
        raise SceneError(f"{name}: no such file; check the path")
    if path.is_dir():
        raise SceneError(f"{name}: is a folder; give the raster file in it")
    if not is_file:
        raise SceneError(f"{name}: is not a regular file; give a raster file")
    if size == 0:
        raise SceneError(f"{name}: the file is empty; copy or download it again")


def _locate_in_archive(name: str, rest: str, system: str, trust_vrt: bool) -> _Location:
    archive, member = _split_member(rest)
    if archive is None or not member.strip("/"):
        raise SceneError(f"{name}: no local archive with a member of that name; write e.g. zip://archive.zip!scene.tif")
    drivers = (*PICTURE_DRIVERS, *(("VRT",) if trust_vrt else ()))
    return _Location(f"{system}{{{archive}}}/{member.strip('/')}", drivers, archive)


def _split_member(rest: str) -> tuple[Path | None, str]:
    """Return the local archive and the member in it, of 'a.zip!b.tif', 'a.zip/b.tif' or '{a.zip}/b.tif'."""
    braced = re.fullmatch(r"\{([^{}]+)\}/(.+)", rest)
    head, _, member = (braced[1], "", braced[2]) if braced else rest.partition("!")
    if member:
        archive = Path(os.path.abspath(head))  # noqa: PTH100
        return (archive if _is_local_file(archive) else None), member
    parts = head.split("/")
    for count in range(len(parts) - 1, 0, -1):
        archive = Path(os.path.abspath("/".join(parts[:count])))  # noqa: PTH100
        if _is_local_file(archive):
            return archive, "/".join(parts[count:])
    return None, ""


def _is_local_file(path: Path) -> bool:
    return not str(path).startswith("/vsi") and not {"{", "}"} & set(str(path)) and path.is_file()


def _locate_subdataset(name: str, match: re.Match[str]) -> _Location:
    inner = _locate(match["quoted"] or match["bare"], trust_vrt=False)
    if inner.drivers == ("VRT",) or inner.gdal_name.startswith(("/vsizip", "/vsitar")) or '"' in inner.gdal_name:
        raise SceneError(f"{name}: a subdataset must lie in a NetCDF or HDF5 file")
    driver = match["driver"].upper()
    gdal_name = f'{driver}:"{inner.gdal_name}":{match["variable"]}'
    return _Location(gdal_name, SUBDATASET_DRIVERS[driver], inner.path, inner.is_remote)


# --- contents --------------------------------------------------------------------------------------------------------


def _check_dataset(dataset: DatasetReader, name: str, trust_vrt: bool) -> None:
    shown = _shown(name)
    if dataset.count == 0:
        raise SceneError(f"{shown}: {_explain_no_bands(dataset)}")
    complex_bands = [dtype for dtype in dataset.dtypes if "complex" in str(dtype)]
    if complex_bands:
        raise SceneError(f"{shown}: its values are complex ({complex_bands[0]}); compute amplitude or intensity first")
    if not trust_vrt and "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        raise SceneError(f"{shown}: refused, because its metadata name another file for overviews; remove its .aux.xml")
    if dataset.driver == "GTiff":
        _check_complete(dataset, shown)


def _explain_no_bands(dataset: DatasetReader) -> str:
    if not dataset.subdatasets:
        return "it has no bands; check that it is an image"
    # rasterio hands the parts over as GDAL names them, prefix in any case.
    parts = [re.sub(r"^netcdf:", "NETCDF:", part) for part in dataset.subdatasets]
    listed = ", ".join(parts[:12]) + (f", and {len(parts) - 12} more" if len(parts) > 12 else "")
    return f"it holds several rasters; choose one, e.g. {parts[0]} (there are: {listed})"


def _check_complete(dataset: DatasetReader, shown: str) -> None:
    """Raise SceneError where a local TIFF ends before its last block: a copy or download that broke off."""
    path = Path(dataset.name)
    if not path.is_file():
        return
    size = path.stat().st_size
    for band, (rows, columns) in enumerate(dataset.block_shapes, start=1):
        block = f"{(dataset.width - 1) // columns}_{(dataset.height - 1) // rows}"
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{block}", "TIFF", bidx=band)
        length = dataset.get_tag_item(f"BLOCK_SIZE_{block}", "TIFF", bidx=band)
        if offset and length and int(offset) + int(length) > size:
            raise SceneError(f"{shown}: the file is truncated ({size} bytes); copy or download it again")


def _explain(error: Exception, source: Source) -> str:
    """Say what GDAL's error means, and what to do about it."""
    text = str(error)
    if source.is_remote:
        # The address goes: it may hold a secret, and digits that look like a status.
        return _explain_remote(text.replace(source.gdal_name, "it").replace(source.name, "it"), source)
    header = read_header(source.path) if source.path else b""
    vector = vector_format(header)
    if vector:
        return f"is {vector}, not a raster; give the satellite scene itself"
    if "not recognized" in text or "not a supported" in text:
        return "is not a raster that geoships opens; convert it to GeoTIFF (gdal_translate in out.tif)"
    return f"cannot be opened; it may be truncated or damaged ({text})"


def _explain_remote(text: str, source: Source) -> str:
    found = re.search(r"response code\D*(\d{3})", text)
    status = found[1] if found else ""
    if status == "404" or "does not exist" in text or "NoSuch" in text:
        return "there is no such file on the server (404); check the address"
    if status in {"401", "403"} or any(
        mark in text for mark in ("AccessDenied", "Access Denied", "InvalidAccessKeyId")
    ):
        return f"the server refuses access; {_access_hint(source)}"
    if "AWS_" in text or "redentials" in text:
        return f"no credentials for S3; {_access_hint(source)}"
    if "not recognized" in text:
        return "is not a raster that geoships opens; check the address, or convert it to a Cloud Optimized GeoTIFF"
    return f"cannot be read from the server; check the address and the connection ({text})"


def _access_hint(source: Source) -> str:
    if source.gdal_name.startswith("/vsis3/"):
        return "set AWS_NO_SIGN_REQUEST=YES for a public bucket, or your AWS credentials and AWS_REGION"
    return "check that the address is signed and has not expired"


def _shown(name: str) -> str:
    """Return the name for messages: without the query and password of a URL, which may be secret."""
    if not name.lower().startswith(("http://", "https://")):
        return name
    scheme, _, rest = re.split(r"[?#]", name)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
