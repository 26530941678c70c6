"""Secure opening of rasters: only the file that the user gives, and no other file that it may refer to.

GDAL opens far more than files: connection strings, web services, XML that runs Python code. So names are parsed here,
GDAL may only use a list of drivers, and a VRT is checked before GDAL opens it.
"""

from __future__ import annotations

import logging
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import unquote

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from geoships.errors import SceneError
from geoships.scene.georeference import placement_fault
from geoships.scene.opening.again import asked_again, status_of
from geoships.scene.opening.complete import is_truncated
from geoships.scene.opening.hdf5 import check_hdf5
from geoships.scene.opening.names import is_remote, without_query, without_secrets
from geoships.scene.opening.signatures import check_sidecars, is_vrt, read_header, vector_format
from geoships.scene.opening.vrt import check_vrt
from geoships.support.remote.settings import gdal_s3_options
from geoships.support.transform_warning import without_transform_warning

_log = logging.getLogger(__name__)

# Drivers that read images from the given file and its sidecar files. Left out on purpose: web services (WMS, WMTS,
# EEDAI, ...), indexes of other files (GTI, STACIT, ...), DERIVED, and products with XML metadata.
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
    r'(?P<driver>NETCDF|HDF5):(?:"(?P<quoted>[^"]+)"|(?P<bare>(?:https?://|s3://|gs://|az://)?[^":]+)):(?P<variable>[^"]+)',
    re.I,
)
CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]+:|<")
# what stores say in place of a number
REFUSED = re.compile(
    "Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed|"
    "AuthorizationHeaderMalformed|AuthenticationFailed|AuthorizationFailure"
)
BUSY = re.compile("SlowDown|ServiceUnavailable|InternalError|TooManyRequests|ServerBusy")
STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
ACCESS_HINTS = {
    "/vsis3/": "set AWS_NO_SIGN_REQUEST=YES for a public bucket, or your AWS credentials and AWS_REGION",
    "/vsigs/": "set GS_NO_SIGN_REQUEST=YES for a public bucket, or GOOGLE_APPLICATION_CREDENTIALS",
    "/vsiaz/": "set AZURE_STORAGE_ACCOUNT, and AZURE_NO_SIGN_REQUEST=YES for a public container or your credentials",
}
ARCHIVES = {"zip://": "/vsizip/", "tar://": "/vsitar/", "/vsizip/": "/vsizip/", "/vsitar/": "/vsitar/"}

GDAL_OPTIONS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_CACHEMAX": 32 * 2**20,  # bytes: each block is decoded once, so a large cache would only take memory
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 0.5,  # s, doubled at each attempt
    "GDAL_HTTP_CONNECTTIMEOUT": 10,  # s
    "GDAL_HTTP_LOW_SPEED_TIME": 30,  # s below GDAL_HTTP_LOW_SPEED_LIMIT, after which a stalled transfer is ended
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,  # bytes per s
    "VSI_CACHE": "YES",
    "VSI_CACHE_SIZE": 2**20,  # bytes per open file, of which each decoding thread has one
    "CPL_VSIL_CURL_CACHE_SIZE": 64 * 2**20,  # bytes, all files together
}


class _WithoutSecrets(logging.Filter):
    """Takes queries and passwords of addresses out of what GDAL logs by rasterio."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True


for _name in ("rasterio._env", "rasterio._err"):
    logging.getLogger(_name).addFilter(_WithoutSecrets())


@dataclass(frozen=True)
class Source:
    """A raster that was checked and can be opened.

    Attributes:
        name: Name as the user gave it.
        gdal_name: Name for GDAL: an absolute path, a path in a virtual file system, or a subdataset.
        driver: Name of the GDAL driver.
        path: The local file (of an archive member or subdataset, the archive or container); None if it is remote.
        is_remote: Whether pixels are read over the network.
    """

    name: str
    gdal_name: str
    driver: str
    path: Path | None
    is_remote: bool

    @property
    def reads_sidecars(self) -> bool:
        """Whether GDAL reads sidecar files: world files, overviews, masks and .aux.xml."""
        return not (self.is_remote or re.search(r"(^|>)/vsi", self.gdal_name))  # the raster, or a source of a VRT

    @property
    def public_name(self) -> str:
        """The local file, or else the name without the query and password of a URL."""
        return str(self.path) if self.path else _shown(self.name)


@dataclass(frozen=True)
class _Location:
    """What a name refers to, before anything is opened. drivers: the drivers that GDAL may use."""

    gdal_name: str
    drivers: tuple[str, ...]
    path: Path | None = None
    is_remote: bool = False


def public_name(name: str) -> str:
    """Convert a name to one for outputs and messages.

    Args:
        name: Path, URL or subdataset.

    Returns:
        An absolute path, or a URL without its query and password, which may be secret.
    """
    if name.lower().startswith("file://"):
        name = unquote(name[len("file://") :])
    local = not (is_remote(name) or name.lower().startswith(tuple(ARCHIVES)))
    if SUBDATASET.fullmatch(name):
        local = Path(name).exists()
    return os.path.abspath(name) if local else _shown(name)  # noqa: PTH100


def gdal_env(source: Source | None = None) -> rasterio.Env:
    """GDAL settings for reading scenes, as a context manager. Enter it in each thread that reads.

    For a raster that is remote or in an archive, GDAL does not search for sidecar files: on a server this would take a
    directory listing and a request for each. AWS settings (AWS_NO_SIGN_REQUEST, AWS_REGION, AWS_PROFILE, ...) and GDAL
    settings in the user's environment take precedence, but Python code in VRTs is always disabled.

    Args:
        source: The raster to read; None: settings for local rasters.

    Returns:
        The context manager.
    """
    sidecars = source is None or source.reads_sidecars
    stated = {**GDAL_OPTIONS, **gdal_s3_options()}
    options = {key: value for key, value in stated.items() if key not in os.environ}
    options["GDAL_VRT_ENABLE_PYTHON"] = "NO"
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE" if sidecars else "EMPTY_DIR", **options)


def local_file(name: str | os.PathLike[str]) -> Path | None:
    """The local file or folder that a name leads to, such as the archive of a member; None for an address.

    >>> local_file("https://host/a.tif") is None
    True
    """
    text = os.fspath(name)
    if is_remote(text):
        return None
    if os.path.exists(text):  # noqa: PTH110 (False for a name that cannot be)
        return Path(text)
    try:
        return _locate(text, trust_vrt=False).path
    except SceneError:
        return None  # those who read it say what is wrong


def resolve(name: str | Path, *, trust_vrt: bool = False) -> Source:
    """Check that a raster can be opened safely.

    Args:
        name: As for `open_named`.
        trust_vrt: As for `open_named`.

    Returns:
        The raster, which can be opened by `open_dataset`.

    Raises:
        SceneError: As for `open_named`.
    """
    source, dataset = open_named(name, trust_vrt=trust_vrt)
    dataset.close()
    return source


def open_named(name: str | Path, *, trust_vrt: bool = False, incomplete: bool = False) -> tuple[Source, DatasetReader]:
    """Check that a raster can be opened safely, and open it.

    Args:
        name: Local path, file://, http(s)://, s3://, gs:// or az:// URL, member of a zip:// or tar:// archive (`zip://a.zip!b.tif`),
            or subdataset (`NETCDF:"a.nc":var`, `HDF5:"a.h5"://group/var`).
        trust_vrt: Open VRTs whatever files they refer to. Python code in them is disabled anyway.
        incomplete: Open a file that ends too early, of which the rest can be read.

    Returns:
        The raster, and an open handle for one thread, which the caller closes. Read from it within `gdal_env(source)`.

    Raises:
        SceneError: The file is missing, unreadable, refused or not a raster, or its values are complex.
    """
    text = os.fspath(name)
    location = _locate(text, trust_vrt)
    candidate = Source(text, location.gdal_name, "", location.path, location.is_remote)
    with gdal_env(candidate):
        dataset = _open(candidate, location.drivers)
        try:
            check_dataset(dataset, text, trust_vrt=trust_vrt)
            if not incomplete and is_truncated(dataset):
                raise SceneError(
                    f"{_shown(text)}: the file is truncated; copy or download it again, or read what is there with "
                    "--on-error skip"
                )
        except BaseException:
            dataset.close()
            raise
        _log.debug("%s: opened by %s, %s", candidate.public_name, dataset.driver, dataset.shape)
        return replace(candidate, driver=dataset.driver), dataset


def open_dataset(source: Source) -> DatasetReader:
    """Open a new file handle of a raster that was checked.

    Args:
        source: The raster, from `open_named` or `resolve`.

    Returns:
        A handle for one thread at a time, which the caller closes. Read from it within `gdal_env(source)`.

    Raises:
        SceneError: The raster cannot be opened any more.
    """
    drivers = CONTAINER_DRIVERS if source.driver in CONTAINER_DRIVERS else (source.driver,)
    with gdal_env(source):
        return _open(source, drivers)


def _open(source: Source, drivers: Sequence[str]) -> DatasetReader:
    built = [driver for driver in drivers if driver in _built_drivers()]
    if not built:
        raise SceneError(f"{_shown(source.name)}: this build of GDAL has no {drivers[0]} driver; convert it to GeoTIFF")
    try:
        with without_transform_warning():  # a missing georeference is reported by Scene.warnings
            return asked_again(source, partial(DatasetReader, source.gdal_name, driver=built, sharing=False))
    except (RasterioError, OSError, ValueError) as error:
        raise SceneError(f"{_shown(source.name)}: {_explain(error, source)}") from error


@lru_cache(maxsize=1)
def _built_drivers() -> frozenset[str]:
    with rasterio.Env() as env:
        return frozenset(env.drivers())


# --- names -----------------------------------------------------------------------------------------------------------


def _locate(name: str, trust_vrt: bool) -> _Location:
    if not name or "\0" in name:
        raise SceneError("the name of the scene is empty or invalid; give a file or URL")
    for prefix, system in ARCHIVES.items():
        if name.lower().startswith(prefix):
            return _locate_in_archive(name, name[len(prefix) :], system, trust_vrt)
    if name.startswith(("/vsi", "\\\\?\\")):
        raise SceneError(f"{_shown(name)}: GDAL's own virtual file names are not accepted; give the path or URL itself")
    scheme = name.partition("://")[0].lower() if is_remote(name) or name.lower().startswith("file://") else ""
    if scheme in {"http", "https"}:
        return _remote(f"/vsicurl/{name}", name, trust_vrt)
    if scheme in STORES:
        return _remote(f"{STORES[scheme]}{name[len(scheme) + len('://') :]}", name, trust_vrt)
    if scheme == "file":
        return _locate_file(name, unquote(name[len("file://") :]), trust_vrt)
    subdataset = SUBDATASET.fullmatch(name)
    if subdataset and not Path(name).exists():
        return _locate_subdataset(name, subdataset)
    return _locate_file(name, name, trust_vrt)


def _remote(gdal_name: str, name: str, trust_vrt: bool) -> _Location:
    if without_query(name).lower().endswith(".vrt") and not trust_vrt:
        raise SceneError(
            f"{_shown(name)}: a VRT on a server is refused because it may refer to any other file; "
            "download it with its source files, or give --trust-vrt if you trust its author"
        )
    return _Location(gdal_name, _drivers(trust_vrt), is_remote=True)


def _drivers(trust_vrt: bool) -> tuple[str, ...]:
    """Drivers for a file that cannot be checked before it is opened: containers and VRTs may refer to other files."""
    return (*PICTURE_DRIVERS, *((*CONTAINER_DRIVERS, "VRT") if trust_vrt else ()))


def _locate_file(name: str, text: str, trust_vrt: bool) -> _Location:
    path = Path(os.path.abspath(text))  # noqa: PTH100 (links are not resolved: sidecar files are beside the link)
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
            'gs://, az://, zip://archive.zip!member, NETCDF:"file":variable or HDF5:"file"://variable'
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
        raise SceneError(f"{name}: no local archive with such a member; give e.g. zip://archive.zip!scene.tif")
    if zipfile.is_zipfile(archive) and member.strip("/") not in (members := _members(archive)):
        listed = ", ".join(members[:8]) + (" ..." if len(members) > 8 else "")
        raise SceneError(f"{archive} has no member {member.strip('/')}; it has {listed or 'none'}")
    drivers = (*PICTURE_DRIVERS, *(("VRT",) if trust_vrt else ()))
    return _Location(f"{system}{{{archive}}}/{member.strip('/')}", drivers, archive)


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise SceneError(f"{archive}: the archive is damaged ({error}); copy or download it again") from error


def _split_member(rest: str) -> tuple[Path | None, str]:
    """The local archive and the member in 'a.zip!b.tif', 'a.zip/b.tif' or '{a.zip}/b.tif'."""
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
        raise SceneError(f"{name}: a subdataset must be in a NetCDF or HDF5 file; give such a file")
    driver = match["driver"].upper()
    gdal_name = f'{driver}:"{inner.gdal_name}":{match["variable"]}'
    return _Location(gdal_name, SUBDATASET_DRIVERS[driver], inner.path, inner.is_remote)


# --- contents --------------------------------------------------------------------------------------------------------


def check_dataset(dataset: DatasetReader, name: str, *, trust_vrt: bool) -> None:
    """Check that an open dataset is an image that can be read.

    Args:
        dataset: The open dataset.
        name: Its name, for messages.
        trust_vrt: As for `open_named`.

    Raises:
        SceneError: It has no bands, complex values, a geotransform that cannot be true, or ends too early.
    """
    shown = _shown(name)
    if dataset.count == 0:
        raise SceneError(f"{shown}: {_explain_no_bands(dataset)}")
    complex_bands = [dtype for dtype in dataset.dtypes if "complex" in str(dtype)]
    if complex_bands:
        raise SceneError(f"{shown}: its values are complex ({complex_bands[0]}); compute amplitude or intensity first")
    if not trust_vrt and "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        raise SceneError(
            f"{shown}: refused, because its metadata refer to another file for overviews; remove its .aux.xml"
        )
    if fault := placement_fault(dataset):
        raise SceneError(f"{shown}: {fault}")


def _explain_no_bands(dataset: DatasetReader) -> str:
    if not dataset.subdatasets:
        return "it has no bands; check that it is an image"
    # rasterio returns GDAL's names of subdatasets, whose prefix may be in lower case.
    parts = [re.sub(r"^netcdf:", "NETCDF:", part) for part in dataset.subdatasets]
    listed = ", ".join(parts[:12]) + (f", and {len(parts) - 12} more" if len(parts) > 12 else "")
    return f"it has several rasters; choose one, e.g. {parts[0]} (all: {listed})"


def _explain(error: Exception, source: Source) -> str:
    """Translate an error of GDAL to a message that says what to do."""
    text = str(error)
    if source.is_remote:
        # The URL is removed: it may contain a secret, and digits that look like a status code.
        return _explain_remote(without_secrets(text.replace(source.gdal_name, "it").replace(source.name, "it")), source)
    header = read_header(source.path) if source.path else b""
    vector = vector_format(header)
    if vector:
        return f"is {vector}, not a raster; give the satellite scene itself"
    if "not recognized" in text or "not a supported" in text:
        return "is not a raster that geoships opens; convert it to GeoTIFF (gdal_translate in out.tif)"
    return f"cannot be opened; it may be truncated or damaged ({text})"


def _explain_remote(text: str, source: Source) -> str:
    found = re.search(r"response code\D*(\d{3})", text)
    status = found[1] if found else status_of(source.name)
    if status == "404" or "does not exist" in text or "NoSuch" in text:
        return "there is no such file on the server (404); check the URL"
    if status == "416" or "Range downloading not supported" in text:
        return "the server does not answer requests for parts of the file; download it first"
    if status in {"401", "403"} or REFUSED.search(text):
        return f"the server refuses access; {_access_hint(source)}"
    if re.search("AWS_|GS_|AZURE_|redentials", text):
        return f"no credentials for the store; {_access_hint(source)}"
    if status.isdigit() and (status >= "500" or status == "429"):
        return f"the server cannot answer now ({status}); try again later"
    if busy := BUSY.search(text):
        return f"the server cannot answer now ({busy[0]}); try again later"
    if "not recognized" in text and status != "none":
        return (
            "is not a raster that geoships opens, or the server sends too little in time; check the URL and the "
            "connection, or convert it to a Cloud Optimized GeoTIFF"
        )
    return f"cannot be read from the server; check the URL and the connection ({text})"


def _access_hint(source: Source) -> str:
    for system, hint in ACCESS_HINTS.items():
        if source.gdal_name.startswith(system):
            return hint
    return "check that the URL is signed and has not expired"


def _shown(name: str) -> str:
    """The name without the query and password of a URL, which may be secret."""
    return without_secrets(name) if is_remote(name) else name
