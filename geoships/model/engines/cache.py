"""The user's cache folder, for files that can be made again."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Folder of converted models: on Linux ``$XDG_CACHE_HOME/geoships`` if set, else ``~/.cache/geoships``."""
    return Path(platformdirs.user_cache_dir("geoships", appauthor=False))


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The cached folder of a key, made now if there is none yet.

    It appears complete or not at all. If several processes make the same folder, the first to finish wins. If the cache
    folder is not writable, the result is a temporary folder that is deleted when the process ends.

    Args:
        key: Name of the folder; it must change with everything that changes the content.
        make: Writes the content into an empty folder.
    """
    folder = cache_folder() / key
    if folder.is_dir():
        _log.debug("cached: %s", folder)
        return folder
    _log.info("converting a model, once, into %s", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    except OSError as error:
        _log.info("the cache cannot be written (%s), so the model is converted anew each time", error)
        return _make_temporary(make)
    try:
        make(partial)
        return _publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, folder: Path) -> Path:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster
            raise
    return folder


def _make_temporary(make: Callable[[Path], None]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="geoships-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make(folder)
    return folder
