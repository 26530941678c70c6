"""Versions of what a result depends on."""

from __future__ import annotations

import platform
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
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
