"""Remote reads that are tried again: GDAL itself tries some failures again, but no broken or stalled connection."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from geoships.support.remote.settings import gdal_s3_options

Result = TypeVar("Result")
ATTEMPTS = 3
PAUSE = 0.5  # s, doubled at each attempt; GDAL_HTTP_RETRY_DELAY replaces it
TIMEOUT = 10  # s
REFUSALS = {"401", "403", "404", "410"}  # answers that do not change


class Named(Protocol):
    """What is read: its name as the user gave it, its name for GDAL, and whether it is on a server."""

    @property
    def name(self) -> str:
        """The name as given."""

    @property
    def gdal_name(self) -> str:
        """The name for GDAL."""

    @property
    def is_remote(self) -> bool:
        """Whether it is on a server."""


def asked_again(source: Named, read: Callable[[], Result], before: Callable[[], None] = lambda: None) -> Result:
    """Read from a raster; if it is remote and the read fails, try again twice.

    Args:
        source: The raster.
        read: Reads from it.
        before: Called before another attempt, such as to close a handle.

    Returns:
        What `read` returns.

    Raises:
        RasterioError: All attempts failed, or the server refuses.
    """
    pause = float(os.environ.get("GDAL_HTTP_RETRY_DELAY", PAUSE))
    for attempt in range(ATTEMPTS):
        try:
            return read()
        except RasterioError:
            last = attempt == ATTEMPTS - 1
            if not source.is_remote or last or (attempt == 0 and status_of(source.name) in REFUSALS):
                raise
        time.sleep(pause * 2**attempt)
        before()
        _forget(source)
    raise AssertionError("the last attempt returns or raises")


def _forget(source: Named) -> None:
    """Let GDAL forget what it has read of a remote file, which may be half an answer: it does so on closing one."""
    stores = {key: value for key, value in gdal_s3_options().items() if key not in os.environ}
    forgetting = rasterio.Env(
        CPL_VSIL_CURL_NON_CACHED=source.gdal_name, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", **stores
    )
    # by one driver: others would ask for files beside it, one after the other
    with suppress(RasterioError, ValueError), forgetting:
        DatasetReader(source.gdal_name, driver="GTiff", sharing=False).close()


def status_of(name: str) -> str:
    """HTTP status of a request for the first byte of a file.

    Args:
        name: Address of the file.

    Returns:
        The status, such as ``403``; ``none`` without an answer in time; empty if the address is not of http(s).
    """
    if not name.lower().startswith(("http://", "https://")):
        return ""
    import requests

    try:
        with requests.get(name, headers={"Range": "bytes=0-0"}, timeout=TIMEOUT, stream=True) as response:
            return str(response.status_code)
    except (requests.RequestException, ValueError):
        return "none"
