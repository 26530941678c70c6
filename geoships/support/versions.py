"""Versions of what a result depends on."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "torch", "torchgeo", "numpy", "rasterio", "pyproj", "shapely", "segmentation-models-pytorch", "timm", "openvino",
    "onnxruntime",
)  # fmt: skip


def own_version() -> str:
    """Version of geoships."""
    return str(import_module("geoships").__version__)  # by name: the package itself lies above this module


def versions() -> dict[str, str]:
    """Versions of geoships, Python, GDAL, PROJ and the packages that decide a result, as far as they are installed."""
    import pyproj
    import rasterio

    found = {"geoships": own_version(), "python": platform.python_version(), "platform": platform.platform()}
    found |= {"gdal": rasterio.__gdal_version__, "proj": pyproj.proj_version_str}
    return found | _of_packages()


@cache
def _of_packages() -> dict[str, str]:
    """Versions of PACKAGES; reading them takes 10 ms."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
