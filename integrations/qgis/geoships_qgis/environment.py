"""The environment variables of geoships: the user's, without those that QGIS sets for its own Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Paths of QGIS's own Python, GDAL, PROJ, Qt and OpenSSL, whose versions differ from those of geoships.
_NAMES = frozenset(
    {
        "CONDA_PREFIX",
        "GDAL_DATA",
        "GDAL_DRIVER_PATH",
        "GDAL_PYTHON_DRIVER_PATH",
        "GDAL_FILENAME_IS_UTF8",
        "GEOTIFF_CSV",
        "GISBASE",
        "GISRC",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "OGR_DRIVER_PATH",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "OSGEO4W_ROOT",
        "PROJ_DATA",
        "PROJ_LIB",
        "VIRTUAL_ENV",
        "VSI_CACHE",
        "VSI_CACHE_SIZE",
    }
)
_PREFIXES = ("DYLD_", "GRASS_", "O4W_", "PYTHON", "QGIS", "QT_")


def clean_environment(environment: Mapping[str, str], temporary: Path | None = None) -> dict[str, str]:
    """Copy an environment without the variables of QGIS.

    The user's settings for geoships are kept: proxies, AWS_*, GDAL_HTTP_*, OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES, ...
    Folders of OSGeo4W are removed from PATH, so that none of their libraries is loaded.

    Args:
        environment: Variables of QGIS's process.
        temporary: Folder for temporary files of geoships; the caller deletes it.

    Returns:
        Variables for the process of geoships.
    """
    clean = {name: value for name, value in environment.items() if not _of_qgis(name)}
    root = environment.get("OSGEO4W_ROOT")
    if root and "PATH" in clean:
        folders = clean["PATH"].split(os.pathsep)
        clean["PATH"] = os.pathsep.join(folder for folder in folders if not _below(folder, root))
    if temporary is not None:
        clean.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)))
    return {**clean, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _of_qgis(name: str) -> bool:
    return name.upper() in _NAMES or name.upper().startswith(_PREFIXES)


def _below(folder: str, root: str) -> bool:
    folder, root = (os.path.normcase(os.path.normpath(path)) for path in (folder, root))
    return folder == root or folder.startswith(root + os.sep)
