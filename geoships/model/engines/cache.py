"""The user's cache folder: what was made once and can be made again."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where geoships keeps converted models: ``~/.cache/geoships`` on Linux, ``$XDG_CACHE_HOME/geoships`` where set."""
    return Path(platformdirs.user_cache_dir("geoships", appauthor=False))


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The folder of a key, made by `make` where there is none yet; it appears whole or not at all.

    make: fills an empty folder. Several processes may make the same one: the first that is done wins. Where the cache
    cannot be written, the folder is a temporary one that goes with the process.
    """
    folder = cache_folder() / key
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    except OSError:
        return _temporary(make)
    try:
        make(partial)
        return _publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, folder: Path) -> Path:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise
    return folder


def _temporary(make: Callable[[Path], None]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="geoships-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make(folder)
    return folder
