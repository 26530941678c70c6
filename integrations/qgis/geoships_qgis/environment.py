"""The environment in which geoships runs: the user's, without what QGIS put into it for its own Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Where QGIS points its own Python, GDAL, PROJ, Qt and OpenSSL to: files of other versions than those of geoships.
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
    """A copy of an environment that suits another Python than QGIS's.

    What the user sets for geoships stays: proxies, AWS_*, GDAL_HTTP_*, OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES, ...
    Folders of OSGeo4W leave the PATH, so that none of their libraries is taken for another.

    temporary: folder for temporary files, which whoever starts geoships removes afterwards.
    """
    kept = {name: value for name, value in environment.items() if not _of_qgis(name)}
    root = environment.get("OSGEO4W_ROOT")
    if root and "PATH" in kept:
        folders = kept["PATH"].split(os.pathsep)
        kept["PATH"] = os.pathsep.join(folder for folder in folders if not _below(folder, root))
    if temporary is not None:
        kept.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)))
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _of_qgis(name: str) -> bool:
    return name.upper() in _NAMES or name.upper().startswith(_PREFIXES)


def _below(folder: str, root: str) -> bool:
    folder, root = (os.path.normcase(os.path.normpath(path)) for path in (folder, root))
    return folder == root or folder.startswith(root + os.sep)
